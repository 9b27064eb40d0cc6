// Encodes and decodes CONNECT, which clients send, and encodes CONNACK, the server's reply.
// @see MQTT 5, 3.1 and 3.2
import { randomBytes } from "node:crypto";
import type { MqttSpec } from "../spec/spec.js";
import { dataEnd, isText, isTopicName, PACKET, propertiesEnd, uint16At, VERSION, writeUint16 } from "./packet.js";
import { Pattern, PatternPacket } from "./pattern.js";
import { areProperties, PROPERTY } from "./properties.js";
import { FIRST_FAILURE, returnCodeOf } from "./reasons.js";

const NAME = Uint8Array.of(0, 4, 0x4d, 0x51, 0x54, 0x54);
/** Protocol name of MQTT 3.1. */
const OLD_NAME = Uint8Array.of(0, 6, 0x4d, 0x51, 0x49, 0x73, 0x64, 0x70);
const FLAG = { reserved: 1, cleanStart: 2, will: 4, willQos: 0x18, willRetain: 0x20, password: 0x40, userName: 0x80 };
const WILL_QOS_SHIFT = 3;

/** Returns a pattern for the CONNECT packets of a client's connections. */
export function connectPacket(spec: MqttSpec): PatternPacket {
  const { will, username, password } = spec;
  const isVersion5 = spec.version === VERSION["5"];
  const flags =
    (spec.cleanStart ? FLAG.cleanStart : 0) |
    (will ? FLAG.will | (will.qos << WILL_QOS_SHIFT) | (will.isRetained ? FLAG.willRetain : 0) : 0) |
    (username !== undefined ? FLAG.userName : 0) |
    (password !== undefined ? FLAG.password : 0);
  const keepAlive = Uint8Array.of(spec.version, flags, 0, 0);
  writeUint16(keepAlive, 2, spec.keepAliveSec);
  const texts = [spec.clientId, ...(will ? [will.topic, will.message] : []), username, password];
  const patterns = texts.filter((text) => text !== undefined).map((text) => new Pattern(text));
  const [clientId, ...others] = patterns as [Pattern, ...Pattern[]];
  return new PatternPacket(PACKET.connect << 4, [
    NAME,
    keepAlive,
    ...(isVersion5 ? [sessionProperties(spec.sessionExpirySec)] : []),
    clientId,
    // The will's properties are empty.
    ...(isVersion5 && will ? [Uint8Array.of(0)] : []),
    ...others,
  ]);
}

function sessionProperties(expirySec: number): Uint8Array {
  if (expirySec === 0) return Uint8Array.of(0);
  const [a, b, c, d] = [24, 16, 8, 0].map((shift) => (expirySec >>> shift) & 255) as [number, number, number, number];
  return Uint8Array.of(5, PROPERTY.sessionExpiry, a, b, c, d);
}

/** The parts of a CONNECT that a server needs. */
export interface ConnectRequest {
  /** Protocol level: 4 for MQTT 3.1.1, 5 for MQTT 5. Others are not supported. */
  version: number;
  isCleanStart: boolean;
  keepAliveSec: number;
  hasClientId: boolean;
}

/**
 * Reads the body of a CONNECT into `request`. If the version is not supported, nothing else is
 * read.
 *
 * @returns whether the body is valid
 */
export function readConnect(request: ConnectRequest, bytes: Uint8Array, start: number, end: number): boolean {
  const isOld = begins(bytes, start, end, OLD_NAME);
  if (!isOld && !begins(bytes, start, end, NAME)) return false;
  const level = start + (isOld ? OLD_NAME : NAME).length;
  if (level >= end) return false;
  request.version = bytes[level]!;
  const isVersion5 = request.version === VERSION["5"];
  if (!isVersion5 && request.version !== VERSION["3.1.1"]) return true;
  if (level + 4 > end) return false;
  const flags = bytes[level + 1]!;
  if (!areFlags(flags, isVersion5)) return false;
  request.isCleanStart = (flags & FLAG.cleanStart) !== 0;
  request.keepAliveSec = uint16At(bytes, level + 2);
  let at = level + 4;
  if (isVersion5) at = soundProperties(bytes, at, end);
  const clientId = at;
  at = textEnd(bytes, at, end);
  request.hasClientId = at > clientId + 2;
  if (flags & FLAG.will) {
    if (isVersion5) at = soundProperties(bytes, at, end);
    const topic = at;
    at = textEnd(bytes, at, end);
    if (at >= 0 && !isTopicName(bytes, topic + 2, at)) return false;
    at = dataEnd(bytes, at, end);
  }
  if (flags & FLAG.userName) at = textEnd(bytes, at, end);
  if (flags & FLAG.password) at = dataEnd(bytes, at, end);
  return at === end;
}

function areFlags(flags: number, isVersion5: boolean): boolean {
  if (flags & FLAG.reserved) return false;
  const ofWill = flags & (FLAG.willQos | FLAG.willRetain);
  if (ofWill !== 0 && (flags & FLAG.will) === 0) return false;
  if ((flags & FLAG.willQos) === FLAG.willQos) return false;
  return isVersion5 || (flags & FLAG.password) === 0 || (flags & FLAG.userName) !== 0;
}

function begins(bytes: Uint8Array, start: number, end: number, name: Uint8Array): boolean {
  if (end - start < name.length) return false;
  for (let n = 0; n < name.length; n++) if (bytes[start + n] !== name[n]) return false;
  return true;
}

function soundProperties(bytes: Uint8Array, at: number, end: number): number {
  const next = propertiesEnd(bytes, at, end);
  return next >= 0 && areProperties(bytes, at, next) ? next : -1;
}

function textEnd(bytes: Uint8Array, at: number, end: number): number {
  const next = dataEnd(bytes, at, end);
  return next >= 0 && isText(bytes, at + 2, next) ? next : -1;
}

/** Returns a CONNACK with this reason code and no properties. */
export function connack(version: number, reason: number): Uint8Array {
  if (version >= VERSION["5"]) return Uint8Array.of(PACKET.connack << 4, 3, 0, reason, 0);
  return Uint8Array.of(PACKET.connack << 4, 2, 0, reason >= FIRST_FAILURE ? returnCodeOf(reason) : 0);
}

/** Returns an MQTT 5 CONNACK that assigns a random client ID to a client without one. */
export function connackWithId(): Uint8Array {
  const id = randomBytes(8).toString("hex");
  return Uint8Array.of(PACKET.connack << 4, 22, 0, 0, 19, PROPERTY.assignedClientId, 0, id.length, ...Buffer.from(id));
}
