// MQTT options on the command line: `fourtuple connect --help mqtt`.
import { Option } from "commander";
import type { MqttOptions, Qos } from "../../protocols/spec/mqtt.js";
import { MQTT_VERSIONS } from "../../results/identifiers.js";
import { durationFor, sizeFor } from "../parse.js";
import type { Topic } from "./topic.js";

/** Options as parsed from the command line. */
export interface MqttCommandOptions
  extends Omit<MqttOptions, "keepAliveMs" | "sessionExpiryMs" | "messageBytes" | "subscribe" | "publish"> {
  readonly keepAlive?: number;
  readonly sessionExpiry?: number;
  readonly message?: string;
  readonly messageFile?: string;
  readonly messageSize?: number;
  readonly subscribe?: string[];
  readonly publish?: string;
}

const QUALITIES = ["0", "1", "2"];
const toQos = (text: string) => Number(text) as Qos;

const OF_CLIENTS = () => [
  new Option("--mqtt-version <version>", "protocol version (default: 5)").choices(MQTT_VERSIONS),
  new Option("--client-id <id>", "client id; %i is the connection's number (default: a random prefix and %i)"),
  new Option("--username <name>", "user name; may contain %i"),
  new Option("--password <password>", "password; may contain %i"),
  new Option("--keep-alive <duration>", "send a PINGREQ this often; 0s for never (default: 60s)").argParser(
    durationFor("--keep-alive"),
  ),
  new Option("--keep-session", "resume the client ids' sessions (default: clean start)"),
  new Option("--session-expiry <duration>", "have the broker keep each session this long (default: 0s)").argParser(
    durationFor("--session-expiry"),
  ),
  new Option("--will-topic <topic>", "will topic, published to if a connection breaks; may contain %i"),
  new Option("--will-message <text>", "will payload; may contain %i (default: empty)"),
  new Option("--will-qos <qos>", "the will's quality of service (default: 0)").choices(QUALITIES).argParser(toQos),
  new Option("--will-retain", "have the broker retain the will"),
  new Option("--subscribe <filter>", "subscribe to a topic filter; may contain %i; repeatable").argParser(addFilter),
  new Option("--publish <topic>", "publish messages (-r, -m or --message-size) to this topic; may contain %i"),
  new Option("--qos <qos>", "quality of service to publish and subscribe with (default: 0)")
    .choices(QUALITIES)
    .argParser(toQos),
  new Option("--retain", "have the broker retain published messages"),
  new Option("--message-size <size>", "size of a payload that begins with a time stamp (default: 24 bytes)").argParser(
    sizeFor("--message-size"),
  ),
];

const OF_SERVERS = () => [
  new Option("--refuse <reason>", "refuse all clients with this reason code, such as server-unavailable or 0x88"),
];

const EXAMPLES = {
  connect: `
Examples:
  fourtuple connect mqtt://broker -c 10k -T forever                      idle clients, a PINGREQ each minute
  fourtuple connect mqtt://broker -c 1k --subscribe news --qos 1         receive and time what others publish
  fourtuple connect mqtt://broker -c 100 --publish news --qos 1 -r 10    publish 10 messages/s each; wait for PUBACK
  fourtuple connect mqtts://broker -c 1k --publish 't/%i' --subscribe 't/%i' --message-size 1KiB`,
  serve: `
Examples:
  fourtuple serve mqtt://0.0.0.0                         accept clients; acknowledge and drop their messages
  fourtuple serve mqtt://:1883 --refuse server-unavailable`,
} as const;

/** @param handshakeTimeout `--handshake-timeout` */
export function mqttTopic(handshakeTimeout: () => Option): Topic {
  return {
    options: (role) => [...(role === "connect" ? OF_CLIENTS() : OF_SERVERS()), handshakeTimeout()],
    examples: EXAMPLES,
  };
}

/** Converts MQTT options to the library client's options. */
export function mqttClientOptionsOf(options: MqttCommandOptions): Omit<MqttOptions, "refuse"> {
  const { message, messageFile, publish } = options;
  const isStamped = publish !== undefined && message === undefined && messageFile === undefined;
  return {
    mqttVersion: options.mqttVersion,
    clientId: options.clientId,
    username: options.username,
    password: options.password,
    keepAliveMs: options.keepAlive,
    keepSession: options.keepSession,
    sessionExpiryMs: options.sessionExpiry,
    willTopic: options.willTopic,
    willMessage: options.willMessage,
    willQos: options.willQos,
    willRetain: options.willRetain,
    subscribe: options.subscribe,
    publish,
    qos: options.qos,
    retain: options.retain,
    messageBytes: isStamped ? options.messageSize : undefined,
  };
}

function addFilter(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}
