// The protocols of plain TCP, and the options that choose one of them for a side.
import { BannerClient, BannerServer } from "./banner.js";
import type { ClientConnections, ClientProtocol, Connections, Protocol } from "./contract.js";
import { DiscardClient, DiscardServer } from "./discard.js";
import { EchoClient, EchoServer } from "./echo.js";
import type { Expectation, ServerMode } from "./modes.js";
import { AnyAnswerClient } from "./timed-message.js";

export interface ServerProtocolOptions {
  readonly mode: ServerMode;
  /** Default: `hello` in hello mode, nothing in echo and discard, whose answers must be all a peer gets. */
  readonly greeting?: string | undefined;
  /** Whether the server closes once the greeting is sent, as the article's does. */
  readonly closeAfterGreeting?: boolean | undefined;
}

export function createServerProtocol(connections: Connections, options: ServerProtocolOptions): Protocol {
  const { mode, greeting = defaultGreeting(mode), closeAfterGreeting = false } = options;
  const banner = new TextEncoder().encode(greeting);
  if (mode === "echo") return new EchoServer(connections, banner, closeAfterGreeting);
  if (banner.length > 0) return new BannerServer(connections, banner, closeAfterGreeting);
  return new DiscardServer(connections);
}

/** What a server says that was not told what to say. */
export function defaultGreeting(mode: ServerMode): string {
  return mode === "hello" ? "hello" : "";
}

const MESSAGE_CLIENTS = { echo: EchoClient, any: AnyAnswerClient, none: DiscardClient };

export interface ClientProtocolOptions {
  /** What is sent over every connection; undefined for nothing. */
  readonly message?: { readonly bytes: Uint8Array; readonly expected: Expectation } | undefined;
  /** Slots that will be in use at least. */
  readonly slots: number;
}

export function createClientProtocol(connections: ClientConnections, options: ClientProtocolOptions): ClientProtocol {
  const { message, slots } = options;
  if (message === undefined) return new BannerClient(connections);
  return new MESSAGE_CLIENTS[message.expected](connections, message.bytes, slots);
}
