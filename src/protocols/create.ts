// Creates the protocol of a side. Only this file knows which protocols exist.
import type { ClientConnections, ClientProtocol, Connections, Protocol } from "./contract.js";
import { HttpClient } from "./http/client.js";
import { HttpServer } from "./http/server.js";
import { MqttClient } from "./mqtt/client.js";
import { newPublisher, Published, type PublishedPlan } from "./mqtt/published.js";
import { MqttServer } from "./mqtt/server.js";
import * as plain from "./plain-tcp.js";
import { createScriptedClient, createScriptedServer } from "./scripted/create.js";
import type { ScriptHost } from "./scripted/host.js";
import type { ProtocolSpec } from "./spec/spec.js";
import { WebSocketClient } from "./websocket/client.js";
import { WebSocketServer } from "./websocket/server.js";

export interface ServerProtocolOptions extends plain.ServerProtocolOptions {
  /** Undefined for plain TCP. */
  readonly protocol?: ProtocolSpec | undefined;
  /** Used by scripts only. */
  readonly scriptHost?: ScriptHost | undefined;
}

export function createServerProtocol(connections: Connections, options: ServerProtocolOptions): Protocol {
  const { protocol, mode, closeAfterGreeting = false } = options;
  if (protocol === undefined) return plain.createServerProtocol(connections, options);
  if (protocol.name === "mqtt") return new MqttServer(connections, protocol);
  if (protocol.name === "scripted") return createScriptedServer(connections, protocol, options.scriptHost!);
  const greeting = options.greeting ?? plain.defaultGreeting(mode);
  if (protocol.name === "http") {
    return new HttpServer(connections, { spec: protocol, mode, greeting, closes: closeAfterGreeting });
  }
  return new WebSocketServer(connections, { spec: protocol, mode, greeting, closeAfterGreeting });
}

export interface ClientProtocolOptions extends plain.ClientProtocolOptions {
  /** Returns the number of the next connection, starting at 1 and unique within a run. */
  readonly nextNumber: () => number;
  /** For HTTP only: whether the host replaces connections that the server closes. */
  readonly reopens: boolean;
  /** Undefined for plain TCP. */
  readonly protocol?: ProtocolSpec | undefined;
  /** Used by scripts only. */
  readonly scriptHost?: ScriptHost | undefined;
  /** MQTT: undefined if the run's connections do not subscribe to what they publish. */
  readonly published?: PublishedPlan | undefined;
}

export function createClientProtocol(connections: ClientConnections, options: ClientProtocolOptions): ClientProtocol {
  const { protocol, message, slots, nextNumber, reopens } = options;
  if (protocol === undefined) return plain.createClientProtocol(connections, options);
  if (protocol.name === "http") {
    return new HttpClient(connections, protocol, slots, { hasMessages: message !== undefined, reopens });
  }
  if (protocol.name === "scripted") return createScriptedClient(connections, protocol, options.scriptHost!, slots);
  if (protocol.name === "mqtt") {
    const published = options.published && new Published(options.published);
    const publisher = published?.publisher ?? newPublisher();
    return new MqttClient(connections, { spec: protocol, message, slots, nextNumber, publisher, published });
  }
  return new WebSocketClient(connections, { spec: protocol, message, slots });
}
