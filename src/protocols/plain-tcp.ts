// Plain TCP protocols, and the options that select one of them for a side.
import { BannerClient, BannerServer } from "./banner.js";
import type { ClientConnections, ClientProtocol, Connections, Protocol } from "./contract.js";
import { DiscardClient, DiscardServer } from "./discard.js";
import { EchoClient, EchoServer } from "./echo.js";
import type { Expectation, ServerMode } from "./modes.js";
import { AnyAnswerClient } from "./timed-message.js";

export interface ServerProtocolOptions {
  readonly mode: ServerMode;
  /** Defaults to `hello` in hello mode and to nothing in echo and discard, where a peer must receive only answers. */
  readonly greeting?: string | undefined;
  /** Whether the server closes the connection after the greeting. */
  readonly closeAfterGreeting?: boolean | undefined;
}

export function createServerProtocol(connections: Connections, options: ServerProtocolOptions): Protocol {
  const { mode, greeting = defaultGreeting(mode), closeAfterGreeting = false } = options;
  const banner = new TextEncoder().encode(greeting);
  if (mode === "echo") return new EchoServer(connections, banner, closeAfterGreeting);
  if (banner.length > 0) return new BannerServer(connections, banner, closeAfterGreeting);
  return new DiscardServer(connections);
}

/** Returns the greeting used when none is configured. */
export function defaultGreeting(mode: ServerMode): string {
  return mode === "hello" ? "hello" : "";
}

const MESSAGE_CLIENTS = { echo: EchoClient, any: AnyAnswerClient, none: DiscardClient };

export interface ClientProtocolOptions {
  /** Message sent on every connection; undefined for none. */
  readonly message?: { readonly bytes: Uint8Array; readonly expected: Expectation } | undefined;
  /** Minimum number of slots that will be used. */
  readonly slots: number;
}

export function createClientProtocol(connections: ClientConnections, options: ClientProtocolOptions): ClientProtocol {
  const { message, slots } = options;
  if (message === undefined) return new BannerClient(connections);
  return new MESSAGE_CLIENTS[message.expected](connections, message.bytes, slots);
}
