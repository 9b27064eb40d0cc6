// Defines the protocol options for either role, and builds the spec from them.
import { quoted } from "../../util/printable.js";
import type { Address } from "./address.js";
import { SCHEMES } from "./address.js";
import { type HttpOptions, httpSpec } from "./http.js";
import { type MqttOptions, mqttSpec } from "./mqtt.js";
import { checkHeaders, checkMaxMessageBytes, checkTime, hostField, invalid, TOKEN } from "./option-checks.js";
import { checkWithoutScript, type ScriptOptions, type ScriptSide, scriptedSpec } from "./scripted.js";
import type { ProtocolName, ProtocolSpec, WebSocketSpec } from "./spec.js";

export interface ProtocolOptions extends HttpOptions, MqttOptions, ScriptOptions {
  /** WebSocket and HTTP: additional fields of requests, such as `"Authorization: Bearer x"`, or of a server's responses. */
  readonly headers?: readonly string[] | undefined;
  /** WebSocket: the subprotocol that a client requests or a server accepts. */
  readonly subprotocol?: string | undefined;
  /** WebSocket: whether to send binary rather than text messages. */
  readonly binary?: boolean | undefined;
  /** WebSocket: ping interval of each connection; by default, no pings are sent. */
  readonly pingIntervalMs?: number | undefined;
  /**
   * WebSocket: longer messages end the connection (close code 1009). HTTP servers: longer request bodies are refused
   * (413). Default 1 MiB.
   */
  readonly maxMessageBytes?: number | undefined;
  /** Timeout from ESTABLISHED to ready in the protocol; default 10,000. */
  readonly handshakeTimeoutMs?: number | undefined;
}

/** Client-only options, and server-only options. */
export type ClientOnly =
  | "method"
  | "closeAfterResponse"
  | "responseTimeoutMs"
  | "reopen"
  | Exclude<keyof MqttOptions, ServerOnly>;
export type ServerOnly = "status" | "eventIntervalMs" | "delayMs" | "refuse";

/** Options that only some protocols have, with their command-line names and protocols. */
const OPTIONS: Readonly<
  Record<
    Exclude<keyof ProtocolOptions, "handshakeTimeoutMs" | keyof ScriptOptions>,
    { flag: string; of: readonly ProtocolName[] }
  >
> = {
  headers: { flag: "--header", of: ["ws", "http"] },
  subprotocol: { flag: "--subprotocol", of: ["ws"] },
  binary: { flag: "--binary", of: ["ws"] },
  pingIntervalMs: { flag: "--ping-interval", of: ["ws"] },
  maxMessageBytes: { flag: "--max-message-size", of: ["ws", "http"] },
  method: { flag: "--method", of: ["http"] },
  body: { flag: "--body", of: ["http"] },
  closeAfterResponse: { flag: "--close-after-response", of: ["http"] },
  responseTimeoutMs: { flag: "--response-timeout", of: ["http"] },
  reopen: { flag: "--no-reopen", of: ["http"] },
  status: { flag: "--status", of: ["http"] },
  eventIntervalMs: { flag: "--event-interval", of: ["http"] },
  delayMs: { flag: "--delay", of: ["http"] },
  mqttVersion: { flag: "--mqtt-version", of: ["mqtt"] },
  clientId: { flag: "--client-id", of: ["mqtt"] },
  username: { flag: "--username", of: ["mqtt"] },
  password: { flag: "--password", of: ["mqtt"] },
  keepAliveMs: { flag: "--keep-alive", of: ["mqtt"] },
  keepSession: { flag: "--keep-session", of: ["mqtt"] },
  sessionExpiryMs: { flag: "--session-expiry", of: ["mqtt"] },
  willTopic: { flag: "--will-topic", of: ["mqtt"] },
  willMessage: { flag: "--will-message", of: ["mqtt"] },
  willQos: { flag: "--will-qos", of: ["mqtt"] },
  willRetain: { flag: "--will-retain", of: ["mqtt"] },
  subscribe: { flag: "--subscribe", of: ["mqtt"] },
  publish: { flag: "--publish", of: ["mqtt"] },
  qos: { flag: "--qos", of: ["mqtt"] },
  retain: { flag: "--retain", of: ["mqtt"] },
  messageBytes: { flag: "--message-size", of: ["mqtt"] },
  refuse: { flag: "--refuse", of: ["mqtt"] },
};

/** Names of the protocols in messages. */
const WORDS: Readonly<Record<ProtocolName, string>> = {
  tcp: "plain TCP",
  ws: "WebSocket",
  http: "HTTP",
  mqtt: "MQTT",
  scripted: "a protocol of your own",
};

const MAX_MESSAGE_BYTES = 1024 * 1024;
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * Builds a protocol's spec from its options.
 *
 * @param address determines the protocol
 * @param side `hasOpening`: whether plain TCP connections wait for an answer, or a PROXY header, before they are ready;
 *   `mode`: the mode of a server; `script`: the loaded file of a user-defined protocol
 * @returns undefined for plain TCP
 * @throws {AppError} E_OPTION when an option is invalid or belongs to another protocol
 */
export function protocolSpec(
  address: Address,
  options: ProtocolOptions,
  { hasOpening = false, mode, script }: { hasOpening?: boolean; mode?: string; script?: ScriptSide | undefined } = {},
): ProtocolSpec | undefined {
  const { protocol, isSecure } = SCHEMES[address.scheme];
  checkTime("handshake timeout", options.handshakeTimeoutMs);
  if (options.handshakeTimeoutMs !== undefined && protocol === "tcp" && !isSecure && !hasOpening && !script) {
    throw invalid("plain TCP has no handshake after connect()", "use --connect-timeout, or omit --handshake-timeout");
  }
  checkOwners(protocol, options);
  if (script) {
    return scriptedSpec(
      address,
      options,
      script,
      protocol === "ws" ? webSocketSpec(address, options, mode) : undefined,
    );
  }
  checkWithoutScript(options);
  if (protocol === "ws") return webSocketSpec(address, options, mode);
  if (protocol === "mqtt") return mqttSpec(options);
  if (protocol === "http") return httpSpec(address, { ...options, mode }, options.maxMessageBytes ?? MAX_MESSAGE_BYTES);
  return undefined;
}

/** @throws {AppError} E_OPTION for an option that belongs to another protocol */
function checkOwners(protocol: string, options: ProtocolOptions): void {
  for (const [name, { flag, of }] of Object.entries(OPTIONS)) {
    if (options[name as keyof ProtocolOptions] === undefined || of.some((owner) => owner === protocol)) continue;
    throw invalid(
      `${flag} requires ${of.map((owner) => WORDS[owner]).join(" or ")}`,
      `use an address with ${of.map((owner) => `${owner}://`).join(" or ")}, or omit ${flag}`,
    );
  }
}

function webSocketSpec(address: Address, options: ProtocolOptions, mode: string | undefined): WebSocketSpec {
  const { headers = [], subprotocol, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
  checkHeaders(headers, mode !== undefined);
  if (subprotocol !== undefined && !TOKEN.test(subprotocol)) {
    throw invalid(`invalid subprotocol: ${quoted(subprotocol)}`, "use a name such as mqtt");
  }
  checkTime("ping interval", options.pingIntervalMs);
  checkMaxMessageBytes(maxMessageBytes);
  return {
    name: "ws",
    host: hostField(address),
    path: address.path,
    headers,
    subprotocol,
    isBinary: options.binary ?? false,
    pingIntervalMs: options.pingIntervalMs ?? 0,
    maxMessageBytes,
  };
}
