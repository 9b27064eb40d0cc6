// Encodes SUBSCRIBE, which clients send, and decodes SUBACK, the broker's reply. @see MQTT 5, 3.8 and 3.9
import type { MqttSpec } from "../spec/spec.js";
import { firstByte, PACKET, propertiesEnd, uint16At, VERSION } from "./packet.js";
import { Pattern, PatternPacket } from "./pattern.js";
import { FIRST_FAILURE } from "./reasons.js";

/**
 * Packet identifier of SUBSCRIBE. A PUBLISH may reuse the identifier, because nothing is published before SUBACK.
 */
const SUBSCRIBE_ID = 1;
/** Result of readSuback() for a body that is not valid. */
export const INVALID = -1;

/** Returns a pattern for the SUBSCRIBE packets of a client's connections; undefined if it subscribes to nothing. */
export function subscribePacket({ version, subscribe }: MqttSpec): PatternPacket | undefined {
  if (!subscribe) return undefined;
  const identifier = version === VERSION["5"] ? [0, SUBSCRIBE_ID, 0] : [0, SUBSCRIBE_ID];
  return new PatternPacket(firstByte(PACKET.subscribe), [
    Uint8Array.from(identifier),
    ...subscribe.topics.flatMap((topic) => [new Pattern(topic), Uint8Array.of(subscribe.qos)]),
  ]);
}

/**
 * Reads the body of a SUBACK.
 *
 * @returns the first reason code that refuses a subscription, 0 if there is none, or INVALID
 */
export function readSuback(bytes: Uint8Array, start: number, end: number, isVersion5: boolean): number {
  if (end - start < 3 || uint16At(bytes, start) !== SUBSCRIBE_ID) return INVALID;
  const codes = isVersion5 ? propertiesEnd(bytes, start + 2, end) : start + 2;
  if (codes < 0 || codes >= end) return INVALID;
  for (let at = codes; at < end; at++) {
    if (bytes[at]! >= FIRST_FAILURE) return bytes[at]!;
  }
  return 0;
}
