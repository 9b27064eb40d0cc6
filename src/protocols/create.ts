// Creates a side's protocol. Only this file knows which protocols exist.
import type { ClientConnections, ClientProtocol, Connections, Protocol } from "./contract.js";
import { HttpClient } from "./http/client.js";
import { HttpServer } from "./http/server.js";
import * as plain from "./plain-tcp.js";
import type { ProtocolSpec } from "./spec/spec.js";
import { WebSocketClient } from "./websocket/client.js";
import { WebSocketServer } from "./websocket/server.js";

export interface ServerProtocolOptions extends plain.ServerProtocolOptions {
  /** undefined for plain TCP. */
  readonly protocol?: ProtocolSpec | undefined;
}

export function createServerProtocol(connections: Connections, options: ServerProtocolOptions): Protocol {
  const { protocol, mode, closeAfterGreeting = false } = options;
  if (protocol === undefined) return plain.createServerProtocol(connections, options);
  const greeting = options.greeting ?? plain.defaultGreeting(mode);
  if (protocol.name === "http") {
    return new HttpServer(connections, { spec: protocol, mode, greeting, closes: closeAfterGreeting });
  }
  return new WebSocketServer(connections, { spec: protocol, mode, greeting, closeAfterGreeting });
}

export interface ClientProtocolOptions extends plain.ClientProtocolOptions {
  /** undefined for plain TCP. */
  readonly protocol?: ProtocolSpec | undefined;
}

export function createClientProtocol(connections: ClientConnections, options: ClientProtocolOptions): ClientProtocol {
  const { protocol, message, slots } = options;
  if (protocol === undefined) return plain.createClientProtocol(connections, options);
  if (protocol.name === "http") return new HttpClient(connections, protocol, slots);
  return new WebSocketClient(connections, { spec: protocol, message, slots });
}
