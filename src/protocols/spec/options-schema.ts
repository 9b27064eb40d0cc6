// Schema of the protocol options, checked against their type.
import type { ZodType } from "zod";
import { MQTT_VERSIONS } from "../../results/identifiers.js";
import { flag, isTexts, number, oneOf, option, text } from "../../util/options.js";
import { QUALITIES } from "./mqtt.js";
import type { ClientOnly, ProtocolOptions } from "./options.js";

const shape = {
  headers: option('a list of fields, such as ["Name: value"]', isTexts).optional(),
  subprotocol: text.optional(),
  binary: flag.optional(),
  pingIntervalMs: number.optional(),
  maxMessageBytes: number.optional(),
  handshakeTimeoutMs: number.optional(),
  method: text.optional(),
  body: option("a string or bytes", (value) => typeof value === "string" || value instanceof Uint8Array).optional(),
  closeAfterResponse: flag.optional(),
  responseTimeoutMs: number.optional(),
  status: number.optional(),
  eventIntervalMs: number.optional(),
  delayMs: number.optional(),
  reopen: flag.optional(),
  mqttVersion: oneOf(MQTT_VERSIONS).optional(),
  clientId: text.optional(),
  username: text.optional(),
  password: text.optional(),
  keepAliveMs: number.optional(),
  keepSession: flag.optional(),
  sessionExpiryMs: number.optional(),
  willTopic: text.optional(),
  willMessage: text.optional(),
  willQos: oneOf(QUALITIES).optional(),
  willRetain: flag.optional(),
  subscribe: option(
    'a topic filter, such as "sensors/%i", or a list of them',
    (value) => typeof value === "string" || isTexts(value),
  ).optional(),
  publish: text.optional(),
  qos: oneOf(QUALITIES).optional(),
  retain: flag.optional(),
  messageBytes: number.optional(),
  refuse: text.optional(),
  protocol: text.optional(),
  seed: number.optional(),
  data: text.optional(),
  dataOnce: flag.optional(),
} satisfies Record<keyof ProtocolOptions, ZodType>;

const {
  status: _status,
  eventIntervalMs: _eventIntervalMs,
  delayMs: _delayMs,
  refuse: _refuse,
  ...clientProtocolShape
} = shape;

/** Options of connect(). */
export { clientProtocolShape };

/** Options of serve(); all others are for clients only. */
export const serverProtocolShape = {
  headers: shape.headers,
  subprotocol: shape.subprotocol,
  binary: shape.binary,
  pingIntervalMs: shape.pingIntervalMs,
  maxMessageBytes: shape.maxMessageBytes,
  handshakeTimeoutMs: shape.handshakeTimeoutMs,
  body: shape.body,
  status: shape.status,
  eventIntervalMs: shape.eventIntervalMs,
  delayMs: shape.delayMs,
  refuse: shape.refuse,
  protocol: shape.protocol,
  seed: shape.seed,
  data: shape.data,
  dataOnce: shape.dataOnce,
} satisfies Record<Exclude<keyof ProtocolOptions, ClientOnly>, ZodType>;
