// Defines the MQTT options, and builds the spec from them.
import { MQTT_VERSIONS } from "../../results/identifiers.js";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { formatBytes } from "../../util/units.js";
import type { Expectation } from "../modes.js";
import { type MqttVersion, VERSION } from "../mqtt/packet.js";
import { parseReason } from "../mqtt/reasons.js";
import { STAMP_SIZE } from "../mqtt/stamp.js";
import type { MqttSpec } from "./spec.js";

export const QUALITIES = [0, 1, 2] as const;
export type Qos = (typeof QUALITIES)[number];

/** In strings, `%i` stands for the connection's number, starting at 1. */
export interface MqttOptions {
  /** MQTT, clients: protocol version; default `"5"`. */
  readonly mqttVersion?: MqttVersion | undefined;
  /** MQTT, clients: client ID; by default, a random prefix and `%i`. */
  readonly clientId?: string | undefined;
  /** MQTT, clients. */
  readonly username?: string | undefined;
  /** MQTT, clients. */
  readonly password?: string | undefined;
  /** MQTT, clients: interval of PINGREQ in milliseconds, a multiple of 1,000; 0 for never; default 60,000. */
  readonly keepAliveMs?: number | undefined;
  /** MQTT, clients: whether to resume the client ID's session (no clean start). */
  readonly keepSession?: boolean | undefined;
  /** MQTT 5, clients: how long the broker keeps the session in milliseconds, a multiple of 1,000; default 0. */
  readonly sessionExpiryMs?: number | undefined;
  /** MQTT, clients: topic of the message that the broker publishes when a connection breaks. */
  readonly willTopic?: string | undefined;
  /** MQTT, clients: payload of that message; empty by default. */
  readonly willMessage?: string | undefined;
  /** MQTT, clients: quality of service of the will; default 0. */
  readonly willQos?: Qos | undefined;
  /** MQTT, clients: whether the broker retains that message. */
  readonly willRetain?: boolean | undefined;
  /** MQTT, clients: topic filters to subscribe to. */
  readonly subscribe?: string | readonly string[] | undefined;
  /** MQTT, clients: the topic to publish messages to. */
  readonly publish?: string | undefined;
  /** MQTT, clients: quality of service to publish and to subscribe with; default 0. */
  readonly qos?: Qos | undefined;
  /** MQTT, clients: whether the broker retains published messages. */
  readonly retain?: boolean | undefined;
  /** MQTT, clients: size in bytes of a payload that begins with a timestamp, in place of `message`; default 24. */
  readonly messageBytes?: number | undefined;
  /** MQTT, servers: refuse all clients with this reason code, such as `"server-unavailable"` or `"0x88"`. */
  readonly refuse?: string | undefined;
}

const KEEP_ALIVE_MS = 60_000;
/** String lengths and the keep-alive are 16-bit numbers. */
const LARGEST_16 = 65_535;
const LARGEST_PAYLOAD = 16 * 1024 * 1024;

/**
 * @param options the options; `message` is the payload, if given
 * @throws {AppError} E_OPTION when an option makes no sense
 */
export function mqttSpec(options: MqttOptions & { readonly message?: unknown }): MqttSpec {
  const { mqttVersion = "5", username, password, qos = 0, subscribe = [], keepSession = false } = options;
  if (!MQTT_VERSIONS.includes(mqttVersion)) {
    throw invalid(`unknown MQTT version: ${quoted(`${mqttVersion}`)}`, `use ${MQTT_VERSIONS.join(" or ")}`);
  }
  if (!QUALITIES.includes(qos)) throw invalid(`unknown quality of service: ${qos}`, "use 0, 1 or 2");
  const version = VERSION[mqttVersion];
  if (options.sessionExpiryMs !== undefined && version === 4) {
    throw invalid("3.1.1 has no session expiry", "omit --session-expiry, or use --mqtt-version 5");
  }
  if (password !== undefined && username === undefined && version === 4) {
    throw invalid("MQTT 3.1.1 does not allow a password without a user name", "add --username");
  }
  const topics = typeof subscribe === "string" ? [subscribe] : subscribe;
  for (const topic of topics) checkFilter(topic);
  const clientId = options.clientId ?? `fourtuple-${Math.random().toString(36).slice(2, 10)}-%i`;
  for (const [name, text] of Object.entries({ "client id": clientId, "user name": username, password })) {
    if (text !== undefined) checkText(name, text);
  }
  return {
    name: "mqtt",
    version,
    clientId,
    username,
    password,
    keepAliveSec: toSeconds("keep-alive", options.keepAliveMs ?? KEEP_ALIVE_MS, LARGEST_16),
    cleanStart: !keepSession,
    sessionExpirySec: toSeconds("session expiry", options.sessionExpiryMs ?? 0, 2 ** 32 - 1),
    will: willOf(options),
    subscribe: topics.length > 0 ? { topics, qos } : undefined,
    publish: publishOf(options, qos),
    refusal: refusalOf(options.refuse),
  };
}

/**
 * Returns a payload with room for a stamp, used if no message is given.
 * @throws {AppError} E_OPTION
 */
export function stampedPayload(size = STAMP_SIZE): Uint8Array {
  if (!Number.isInteger(size) || size < STAMP_SIZE || size > LARGEST_PAYLOAD) {
    throw invalid(
      `invalid message size: ${size}`,
      `use ${STAMP_SIZE} bytes (the size of its time stamp) to ${formatBytes(LARGEST_PAYLOAD)}`,
    );
  }
  return new Uint8Array(size);
}

/**
 * Returns what counts as the answer to a client's messages: delivery to the publishing connection, or an
 * acknowledgement.
 */
export function answerOf({ subscribe, publish }: MqttSpec): Expectation {
  if (!publish) return "none";
  if (publish.isStamped && subscribe?.topics.some((filter) => matches(filter, publish.topic))) return "delivery";
  return publish.qos > 0 ? "acknowledgement" : "none";
}

/** Whether connections may receive the messages of others in the same run, and recognize them by their stamps. */
export function receivesOwn({ subscribe, publish }: MqttSpec): boolean {
  return subscribe !== undefined && publish?.isStamped === true;
}

/** Whether gaps in what a connection receives are losses: not if the broker spreads messages over subscribers. */
export function receivesAll({ subscribe }: MqttSpec): boolean {
  return !subscribe?.topics.some(isShared);
}

/** Whether the broker delivers each message that matches `filter` to only one of several subscribers (MQTT 5, 4.8.2). */
function isShared(filter: string): boolean {
  return filter.startsWith("$share/");
}

/**
 * Whether messages published to `topic` match `filter` (MQTT 5, 4.7). The comparison assumes the same number for
 * `%i` in both.
 */
function matches(filter: string, topic: string): boolean {
  const [wanted, levels] = [filter.split("/"), topic.split("/")];
  // With a shared subscription, the broker chooses which subscriber gets the message.
  if (isShared(filter)) return false;
  const isOpen = wanted.at(-1) === "#";
  const fixed = isOpen ? wanted.slice(0, -1) : wanted;
  if (isOpen ? levels.length < fixed.length : levels.length !== fixed.length) return false;
  // A leading wildcard does not match the broker's own topics, which begin with `$`.
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false;
  return fixed.every((level, n) => level === "+" || level === levels[n]);
}

function publishOf(
  { publish, retain, message, messageBytes }: MqttOptions & { readonly message?: unknown },
  qos: Qos,
): MqttSpec["publish"] {
  const isGiven = message !== undefined || messageBytes !== undefined || retain !== undefined;
  if (publish === undefined) {
    if (isGiven) throw invalid("a message needs a topic", "add --publish TOPIC");
    return undefined;
  }
  checkTopic(publish);
  if (message !== undefined && messageBytes !== undefined) {
    throw invalid("a message cannot be combined with a message size", "omit -m, or --message-size");
  }
  return { topic: publish, qos, isRetained: retain ?? false, isStamped: message === undefined };
}

function willOf({ willTopic, willMessage, willQos = 0, willRetain }: MqttOptions): MqttSpec["will"] {
  if (willTopic === undefined) {
    const isGiven = willMessage !== undefined || willQos !== 0 || willRetain !== undefined;
    if (isGiven) throw invalid("a will needs a topic", "add --will-topic TOPIC");
    return undefined;
  }
  checkTopic(willTopic);
  if (!QUALITIES.includes(willQos)) throw invalid(`unknown quality of service: ${willQos}`, "use 0, 1 or 2");
  const message = willMessage ?? "";
  checkText("will's message", message);
  return { topic: willTopic, message, qos: willQos, isRetained: willRetain ?? false };
}

function refusalOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const code = parseReason(text);
  if (code !== undefined) return code;
  throw invalid(
    `unknown reason code: ${quoted(text)}`,
    "use a failure's name or number, such as server-unavailable or 0x88",
  );
}

function checkTopic(topic: string): void {
  checkText("topic", topic);
  if (topic !== "" && !/[+#]/.test(topic)) return;
  throw invalid(`invalid topic: ${quoted(topic)}`, "name one without wildcards, such as sensors/%i");
}

function checkFilter(filter: string): void {
  checkText("topic filter", filter);
  const levels = filter.split("/");
  const isSound = levels.every(
    (level, n) => level === "+" || (level === "#" && n === levels.length - 1) || !/[+#]/.test(level),
  );
  if (filter !== "" && isSound) return;
  throw invalid(
    `invalid topic filter: ${quoted(filter)}`,
    "use wildcards for whole levels only, such as sensors/+/state or sensors/#",
  );
}

function checkText(name: string, text: string): void {
  if (!text.includes("\0") && Buffer.byteLength(text) < LARGEST_16 - 20) return;
  throw invalid(`invalid ${name}: it is too long, or contains a NUL`, "use a shorter text without NULs");
}

function toSeconds(name: string, ms: number, largest: number): number {
  const seconds = ms / 1000;
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= largest) return seconds;
  throw invalid(`invalid ${name}: ${ms} ms`, `use whole seconds, at most ${largest}`);
}

function invalid(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
