// What a server says: a greeting, then nothing, the same bytes back, or nothing while it reads. State machines over
// bytes: they know no descriptor and no clock.

import type { ServerMode } from "./modes.js";

export interface ServerProtocol {
  /** Sent as soon as a connection is accepted; may be empty. */
  readonly greeting: Uint8Array;
  /** Whether the server closes once the greeting is sent, as the article's does. */
  readonly closesAfterGreeting: boolean;
  /** How many of `received` bytes, from the first on, go back to the peer. */
  answerLength(received: number): number;
}

interface ServerProtocolOptions {
  readonly mode: ServerMode;
  /** Default: `hello` in hello mode, nothing in echo and discard, whose answers must be all a peer gets. */
  readonly greeting?: string | undefined;
  readonly closesAfterGreeting?: boolean | undefined;
}

export function createServerProtocol(options: ServerProtocolOptions): ServerProtocol {
  const greeting = options.greeting ?? (options.mode === "hello" ? "hello" : "");
  return {
    greeting: new TextEncoder().encode(greeting),
    closesAfterGreeting: options.closesAfterGreeting ?? false,
    answerLength: options.mode === "echo" ? (received) => received : () => 0,
  };
}
