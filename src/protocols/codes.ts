// Codes for protocol-level refusals, in the same number space as errnos: HTTP statuses, WebSocket close codes, MQTT
// reason codes and fourtuple's own faults. Each code identifies its kind, so all failures are counted, merged and named
// the same way.
import { reasonName } from "./mqtt/reasons.js";

/** All errnos are smaller. */
export const FIRST_CODE = 2 ** 16;

const MQTT = 8 * FIRST_CODE;
const SCRIPTED = 9 * FIRST_CODE;

/** First code of each kind. The kind's own number is added to it. */
export const CODES = {
  /** Status of a response (RFC 9110, section 15). */
  http: FIRST_CODE,
  /** Status code of a Close frame (RFC 6455, section 7.4); 1005 if the frame had none. */
  webSocket: 2 * FIRST_CODE,
  /** Protocol violation by the peer, or another reason for ending the connection: an index into FAULTS. */
  fault: 3 * FIRST_CODE,
  /**
   * Reason code of an MQTT packet (MQTT 5, 2.4); return codes of 3.1.1 become the corresponding ones of MQTT 5. The
   * four kinds before this one are TLS failures.
   */
  mqttConnack: MQTT,
  mqttSuback: MQTT + 256,
  /** Reason code in the acknowledgement of a PUBLISH: PUBACK, PUBREC or PUBCOMP. */
  mqttPuback: MQTT + 2 * 256,
  mqttDisconnect: MQTT + 3 * 256,
  /** The code that a script passed to refused(). */
  scripted: SCRIPTED,
} as const;

/** Packet names in the order of CODES. */
const MQTT_PACKETS = ["CONNACK", "SUBACK", "PUBACK", "DISCONNECT"];

/** Names of protocol violations by a peer, and of other reasons for ending a connection. */
export const FAULTS = [
  /** A response was expected, but the data is not HTTP/1.1. */
  "NOT_HTTP",
  /** A head exceeds the limit, or too many heads are incomplete at once. */
  "HEAD_TOO_LONG",
  /** The response to an upgrade request lacks a field or has a wrong Sec-WebSocket-Accept. */
  "BAD_UPGRADE",
  /** The server did not accept the requested subprotocol. */
  "BAD_SUBPROTOCOL",
  /** A frame violates RFC 6455. */
  "BAD_FRAME",
  /** A text message is not valid UTF-8. */
  "BAD_UTF8",
  /** A message exceeds the limit. */
  "MESSAGE_TOO_BIG",
  /** A ping was not answered within an interval, or within a few seconds if that is longer. */
  "NO_PONG",
  /** A response was expected, but the data is a TLS record. */
  "TLS_RECORD",
  /** A response violates RFC 9112: its fields, its length or its chunks. */
  "BAD_RESPONSE",
  /** The connection ended in the middle of a response. */
  "CUT_SHORT",
  /** The server announced that it would close the connection after this response. */
  "CONNECTION_CLOSE",
  /** A response did not arrive, or stalled, within the response timeout. */
  "NO_RESPONSE",
  /** The peer sent a packet that MQTT forbids, either in general or at this point. */
  "BAD_PACKET",
  /** A packet is too long to buffer, or too many are incomplete at once. */
  "PACKET_TOO_LONG",
  /** A PINGREQ was not answered within the keep-alive, at least 5 s. */
  "NO_PINGRESP",
  /** A handler of a script threw. */
  "HANDLER_ERROR",
  /** A frame exceeds a script's limit, or too many frames are incomplete at once. */
  "FRAME_TOO_LONG",
  /** A frame is shorter than its own header. */
  "BAD_LENGTH",
  /** The data file has no row for this connection. */
  "NO_DATA",
  /** A PROXY protocol header was expected, but the data does not begin with one. */
  "NO_PROXY_HEADER",
  /** A PROXY protocol header violates its specification. */
  "BAD_PROXY_HEADER",
  /** A PROXY protocol header exceeds the limit, or too many are incomplete at once. */
  "PROXY_HEADER_TOO_LONG",
  /** A TLS handshake was expected, but the data begins with a PROXY protocol header. */
  "PROXY_HEADER",
  /** A response arrived without a request. */
  "UNSOLICITED_RESPONSE",
  /** More bytes were sent to a peer that does not read than fourtuple stores for one connection. */
  "SEND_QUEUE_FULL",
  /** Waiting bytes of all connections together have used up the memory that fourtuple reserves for them. */
  "BUFFERS_FULL",
] as const;

export type Fault = (typeof FAULTS)[number];

/** Code of each fault. */
export const FAULT = Object.fromEntries(FAULTS.map((name, place) => [name, CODES.fault + place])) as Record<
  Fault,
  number
>;

/** Returns whether a code is the status of an HTTP response. */
export function isHttpStatus(code: number): boolean {
  return code >= CODES.http && code < CODES.webSocket;
}

/** Formats a code as `HTTP 503`, `CLOSE 1008`, `CONNACK NOT_AUTHORIZED`, `REFUSED 535` or `BAD_UTF8`. */
export function codeName(code: number): string {
  const number = code % FIRST_CODE;
  if (code >= SCRIPTED) return `REFUSED ${number}`;
  if (code >= MQTT) return `${MQTT_PACKETS[number >> 8]} ${reasonName(number & 255)}`;
  if (code >= CODES.fault) return FAULTS[number] ?? `FAULT ${number}`;
  return code >= CODES.webSocket ? `CLOSE ${number}` : `HTTP ${number}`;
}
