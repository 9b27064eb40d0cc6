// Builds the PUBLISH packets of a client's connections in one shared buffer. The payload stays in place: for each
// message, the topic and the packet identifier are written right before it, and the stamp over its beginning.
import type { PublishSpec } from "../spec/spec.js";
import { LONGEST_HEADER, PACKET, VERSION, writeHeaderBefore, writeUint16 } from "./packet.js";
import { Pattern } from "./pattern.js";
import { type Stamp, writeStamp } from "./stamp.js";

export class PublishPacket {
  readonly bytes: Uint8Array;
  /** Start in `bytes` of the last packet written. */
  start = 0;
  readonly end: number;
  /** Maximum size of the packet in bytes. */
  readonly longest: number;
  private readonly first: number;
  private readonly topic: Pattern;
  private readonly hasIdentifier: boolean;
  private readonly isVersion5: boolean;
  private readonly isStamped: boolean;
  private readonly payload: number;
  private readonly view: DataView;

  constructor({ topic, qos, isRetained, isStamped }: PublishSpec, version: number, payload: Uint8Array) {
    this.first = (PACKET.publish << 4) | (qos << 1) | (isRetained ? 1 : 0);
    this.topic = new Pattern(topic);
    this.hasIdentifier = qos > 0;
    this.isVersion5 = version === VERSION["5"];
    this.isStamped = isStamped;
    // Write the head at the start of the buffer, where even the longest one fits, then move it up to the payload.
    this.payload = LONGEST_HEADER + 2 + this.topic.longest + 2 + 1;
    this.end = this.payload + payload.length;
    this.longest = this.end;
    this.bytes = new Uint8Array(this.end);
    this.bytes.set(payload, this.payload);
    this.view = new DataView(this.bytes.buffer);
  }

  /**
   * Writes the packet of a message.
   * @param identifier packet identifier, which is ignored for QoS 0
   */
  write(stamp: Stamp, identifier: number): void {
    const { bytes, payload } = this;
    let at = this.topic.writeString(bytes, LONGEST_HEADER, stamp.number);
    if (this.hasIdentifier) at = writeUint16(bytes, at, identifier);
    // No properties.
    if (this.isVersion5) bytes[at++] = 0;
    const start = writeHeaderBefore(bytes, LONGEST_HEADER, this.first, at - LONGEST_HEADER + this.end - payload);
    this.start = payload - (at - start);
    bytes.copyWithin(this.start, start, at);
    if (this.isStamped) writeStamp(this.view, payload, stamp);
  }
}
