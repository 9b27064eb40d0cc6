// Names of the MQTT reason codes with which brokers refuse, and the corresponding return codes of a 3.1.1 CONNACK.
// @see MQTT 5, 2.4

const NAMES: Readonly<Record<number, string>> = {
  0: "NORMAL_DISCONNECTION",
  4: "DISCONNECT_WITH_WILL_MESSAGE",
  128: "UNSPECIFIED_ERROR",
  129: "MALFORMED_PACKET",
  130: "PROTOCOL_ERROR",
  131: "IMPLEMENTATION_SPECIFIC_ERROR",
  132: "UNSUPPORTED_PROTOCOL_VERSION",
  133: "CLIENT_IDENTIFIER_NOT_VALID",
  134: "BAD_USER_NAME_OR_PASSWORD",
  135: "NOT_AUTHORIZED",
  136: "SERVER_UNAVAILABLE",
  137: "SERVER_BUSY",
  138: "BANNED",
  139: "SERVER_SHUTTING_DOWN",
  140: "BAD_AUTHENTICATION_METHOD",
  141: "KEEP_ALIVE_TIMEOUT",
  142: "SESSION_TAKEN_OVER",
  143: "TOPIC_FILTER_INVALID",
  144: "TOPIC_NAME_INVALID",
  145: "PACKET_IDENTIFIER_IN_USE",
  146: "PACKET_IDENTIFIER_NOT_FOUND",
  147: "RECEIVE_MAXIMUM_EXCEEDED",
  148: "TOPIC_ALIAS_INVALID",
  149: "PACKET_TOO_LARGE",
  150: "MESSAGE_RATE_TOO_HIGH",
  151: "QUOTA_EXCEEDED",
  152: "ADMINISTRATIVE_ACTION",
  153: "PAYLOAD_FORMAT_INVALID",
  154: "RETAIN_NOT_SUPPORTED",
  155: "QOS_NOT_SUPPORTED",
  156: "USE_ANOTHER_SERVER",
  157: "SERVER_MOVED",
  158: "SHARED_SUBSCRIPTIONS_NOT_SUPPORTED",
  159: "CONNECTION_RATE_EXCEEDED",
  160: "MAXIMUM_CONNECT_TIME",
  161: "SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED",
  162: "WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED",
};

/** Reason codes that this program itself sends or checks for. */
export const REASON = {
  malformedPacket: 129,
  unsupportedVersion: 132,
  invalidClientId: 133,
  serverUnavailable: 136,
  keepAliveTimeout: 141,
  packetTooLarge: 149,
  qosNotSupported: 155,
} as const;

/** Reason codes from here on are failures. */
export const FIRST_FAILURE = 128;

/** Reason codes that correspond to the return codes of a 3.1.1 CONNACK, starting with return code 1. */
const RETURN_CODES = [132, 133, 136, 134, 135];

/** Returns the reason code that corresponds to the return code of a 3.1.1 CONNACK. */
export function reasonOfReturnCode(code: number): number {
  return RETURN_CODES[code - 1] ?? FIRST_FAILURE;
}

/** Returns the 3.1.1 return code for a reason code; if there is none, the one for an unavailable server. */
export function returnCodeOf(reason: number): number {
  return RETURN_CODES.indexOf(reason) + 1 || RETURN_CODES.indexOf(REASON.serverUnavailable) + 1;
}

/** Returns a name such as `NOT_AUTHORIZED`; a number such as `0xFF` for a code without a name. */
export function reasonName(reason: number): string {
  return NAMES[reason] ?? `0x${reason.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** Parses a failure's name, such as `not-authorized`, or number, such as `0x87`; undefined if the text is neither. */
export function parseReason(text: string): number | undefined {
  const name = text.toUpperCase().replaceAll(/[- ]/g, "_");
  const named = Object.keys(NAMES).find((code) => NAMES[Number(code)] === name);
  const code = Number(named ?? (/^(0x[0-9a-f]{1,2}|\d{1,3})$/i.test(text) ? text : Number.NaN));
  return code >= FIRST_FAILURE && code <= 255 ? code : undefined;
}
