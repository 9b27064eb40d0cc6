// Explains refusals in MQTT: what each reason code means in the packet that carried it, whose limit it is, and what to
// do.
import { type Known, local, peer } from "./known.js";

const RATE = "connect more slowly (--connect-rate), or raise the broker's limit on connections per second";
const CREDENTIALS = "check --username and --password, and the broker's accounts and access rules";

/** Explanations by reason name, whichever packet carried it. */
const REASONS: Readonly<Record<string, Known>> = {
  UNSPECIFIED_ERROR: peer("refused", "the broker refused without giving a reason", "check the broker's log"),
  MALFORMED_PACKET: peer(
    "refused",
    "the broker rejected a packet as malformed",
    "try the other version (--mqtt-version); check the broker's log",
  ),
  PROTOCOL_ERROR: peer(
    "refused",
    "the broker reported a protocol error",
    "try the other version (--mqtt-version); check the broker's log",
  ),
  UNSUPPORTED_PROTOCOL_VERSION: local(
    "version",
    "the broker does not support this version of MQTT",
    "use --mqtt-version 3.1.1",
  ),
  CLIENT_IDENTIFIER_NOT_VALID: local(
    "client-id",
    "the broker does not allow this client id",
    "use ids in the form that the broker expects: --client-id 'device-%i'",
  ),
  BAD_USER_NAME_OR_PASSWORD: local("credentials", "the user name or password is wrong, or missing", CREDENTIALS),
  NOT_AUTHORIZED: local("credentials", "the broker does not authorize this client", CREDENTIALS),
  SERVER_UNAVAILABLE: peer(
    "peer-maximum",
    "the broker is unavailable: it is at its connection limit, still starting, or out of resources; MQTT 3.1.1 has no other code for exceeded quotas and rates",
    "raise the broker's connection limit (mosquitto: max_connections; EMQX: max_connections; and its ulimit -n), or add brokers",
  ),
  SERVER_BUSY: peer("peer-maximum", "the broker is busy", "connect more slowly (--connect-rate), or add brokers"),
  BANNED: peer("policy", "the broker has banned this client", "have the broker lift the ban, or use other client ids"),
  SERVER_SHUTTING_DOWN: peer("peer-closing", "the broker is shutting down", "try again once the broker is up"),
  BAD_AUTHENTICATION_METHOD: local(
    "credentials",
    "the broker requires enhanced authentication, which fourtuple does not support",
    "allow user names and passwords on the broker",
  ),
  KEEP_ALIVE_TIMEOUT: local(
    "keep-alive",
    "the broker heard nothing for 1.5 times the keep-alive",
    "use a shorter --keep-alive; the broker may impose its own (mosquitto: max_keepalive)",
  ),
  SESSION_TAKEN_OVER: local(
    "client-id",
    "another connection with the same client id took over the session",
    "give each connection an id of its own: --client-id 'load-%i'; no two runs may share ids",
  ),
  RECEIVE_MAXIMUM_EXCEEDED: peer(
    "peer-rate",
    "more messages were in flight than the broker allows",
    "raise the broker's limit (mosquitto: max_inflight_messages), or lower the rate (-r)",
  ),
  PACKET_TOO_LARGE: peer(
    "message-size",
    "a message is larger than the broker allows",
    "send smaller messages (--message-size), or raise the broker's limit (mosquitto: max_packet_size)",
  ),
  MESSAGE_RATE_TOO_HIGH: peer(
    "peer-rate",
    "the broker limits the message rate, and this run exceeded it",
    "lower the rate (-r), or raise the broker's limit",
  ),
  QUOTA_EXCEEDED: peer(
    "peer-quota",
    "a quota on the broker is used up",
    "raise the quota (connections, messages or bytes) on the broker, or stay below it",
  ),
  ADMINISTRATIVE_ACTION: peer("policy", "an administrator ended the connection", "check the broker's log"),
  TOPIC_NAME_INVALID: local("topic", "the broker does not allow this topic", "check --publish and --will-topic"),
  TOPIC_FILTER_INVALID: local("topic", "the broker does not allow this topic filter", "check --subscribe"),
  RETAIN_NOT_SUPPORTED: local("topic", "the broker does not retain messages", "omit --retain and --will-retain"),
  QOS_NOT_SUPPORTED: local("qos", "the broker does not support this quality of service", "use a lower --qos"),
  USE_ANOTHER_SERVER: peer("address", "the broker refers its clients to another broker", "connect to that broker"),
  SERVER_MOVED: peer("address", "the broker has moved", "connect to that broker"),
  SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: local(
    "topic",
    "the broker has no shared subscriptions",
    "subscribe without $share",
  ),
  WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: local(
    "topic",
    "the broker does not allow wildcards in subscriptions",
    "subscribe to topics without + and #",
  ),
  CONNECTION_RATE_EXCEEDED: peer("peer-rate", "the broker limits the rate of new connections", RATE),
  MAXIMUM_CONNECT_TIME: peer(
    "peer-closing",
    "the broker limits how long a connection may last",
    "hold them for less (-T), or raise the broker's limit",
  ),
  NORMAL_DISCONNECTION: peer("peer-closing", "the broker closed the connection normally", "check the broker's log"),
};

/**
 * Explanations by packet, where that says more than the reason: MQTT 3.1.1 has a single code for all subscription
 * failures.
 */
const PACKETS: Readonly<Record<string, Known>> = {
  "SUBACK UNSPECIFIED_ERROR": local(
    "topic",
    "the broker refused the subscription; MQTT 3.1.1 gives no reason, but usually the client is not authorized",
    "check --subscribe, and the broker's access rules",
  ),
  "SUBACK NOT_AUTHORIZED": local(
    "credentials",
    "the broker does not authorize this client to subscribe to the topic",
    "check --subscribe, and the broker's access rules",
  ),
  "PUBACK NOT_AUTHORIZED": local(
    "credentials",
    "the broker does not authorize this client to publish to the topic",
    "check --publish, and the broker's access rules",
  ),
};

/** Explanations of protocol violations by the peer. */
const FAULTS: Readonly<Record<string, Known>> = {
  BAD_PACKET: peer(
    "refused",
    "the peer violated the MQTT protocol, or does not speak MQTT",
    "check the port and the scheme: a TLS port (8883) needs mqtts://; a WebSocket port does not speak plain MQTT",
  ),
  PACKET_TOO_LONG: peer(
    "refused",
    "the peer sent a packet whose head exceeds 64 KiB, or too many unfinished packets",
    "check the port and the scheme in the address",
  ),
  NO_PINGRESP: peer(
    "peer-silent",
    "the broker did not answer a PINGREQ",
    "check whether the broker is overloaded, or use a longer --keep-alive",
  ),
};

/**
 * @returns undefined for a failure unrelated to MQTT
 */
export function mqttRefusal(phase: string, errno: string): Known | undefined {
  const [, packet, reason] = /^(CONNACK|SUBACK|PUBACK|DISCONNECT) (\w+)$/.exec(errno) ?? [];
  if (packet !== undefined && reason !== undefined) {
    const known = PACKETS[errno] ?? (Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined);
    return known ?? peer("refused", `the broker refused with ${reason} in ${packet}`, "check the broker's log");
  }
  if (Object.hasOwn(FAULTS, errno)) return FAULTS[errno];
  return phase === "connack" ? silence(errno) : undefined;
}

/** Explains a broker that accepts TCP connections but does not answer CONNECT. */
function silence(errno: string): Known | undefined {
  if (errno === "ETIMEDOUT") {
    return peer(
      "peer-silent",
      "the broker accepts connections but does not answer CONNECT or SUBSCRIBE in time",
      "check the port and the scheme; check whether the broker is overloaded, or wait longer (--handshake-timeout)",
    );
  }
  if (errno === "FIN" || errno === "ECONNRESET") {
    return peer(
      "refused",
      "the broker accepts connections and closes them before CONNACK",
      "check the port and the scheme (a TLS port, such as 8883, needs mqtts://), and the broker's log: it may have reached its connection limit (mosquitto: max_connections), or refuse the version (--mqtt-version)",
    );
  }
  return undefined;
}
