// Base class of MQTT clients and servers: reads packets as they arrive. Payloads are passed on piece by piece; the head
// of a PUBLISH and all other packets are buffered until complete.
import { FAULT } from "../codes.js";
import { grown } from "../columns.js";
import type { Connections, Protocol } from "../contract.js";
import { Leftovers } from "../leftovers.js";
import { AnsweringSide, LONGEST_HEAD } from "./answering-side.js";
import { CLOSED, PARTIAL } from "./flags.js";
import { dataEnd, isFirstByte, isText, isTopicName, lengthAt, lengthSize, PACKET, qosOf, uint16At } from "./packet.js";

/** Size of the first piece to append to an incomplete packet before examining it again. */
const FIRST_PIECE = 64;
/** Results of packetAt(): more bytes are needed, or the connection has ended. */
const [WAIT, ENDED] = [-1, -2] as const;
/** RETAIN flag in the first byte of a PUBLISH. */
const RETAIN = 1;
/** In `pending`, the quality of service is stored above the packet identifier. */
const QOS_SHIFT = 16;

export abstract class MqttSide extends AnsweringSide implements Protocol {
  abstract readonly slotBytes: number;
  abstract readonly constants: readonly Uint8Array[];
  abstract readonly heartbeatMs: number;
  readonly replies = "any";
  readonly handshake = "connack";
  /** Number of bytes of the current PUBLISH's payload that have not arrived yet. */
  private left: Uint32Array<ArrayBuffer>;
  /** Quality of service and packet identifier of the current PUBLISH, for its acknowledgement. */
  private pending: Uint32Array<ArrayBuffer>;
  private readonly leftovers = new Leftovers();
  /** Number of payload bytes passed on together with the head. */
  private readonly peeked: number;

  constructor(connections: Connections, slots: number, peeked: number) {
    super(connections, slots);
    this.peeked = peeked;
    this.left = new Uint32Array(slots);
    this.pending = new Uint32Array(slots);
  }

  opened(slot: number): void {
    if (slot >= this.flags.length) this.grow(slot);
    this.flags[slot] = 0;
    this.left[slot] = 0;
  }

  received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const at = this.flags[slot]! & PARTIAL ? this.readOn(slot, bytes, start, end) : start;
    if (at >= 0) this.read(slot, bytes, at, end);
    this.flush(slot);
  }

  abstract beat(slot: number): void;
  abstract closing(slot: number): void;

  closed(slot: number): void {
    this.leftovers.drop(slot);
    this.flags[slot] = CLOSED;
  }

  /** Returns whether the peer may send a packet of this type now. */
  protected abstract isExpected(type: number, flags: number): boolean;
  /**
   * Called when a packet other than PUBLISH has arrived. Bytes `start` to `end` are the packet's body.
   * @returns whether the packet is valid
   */
  protected abstract packet(slot: number, type: number, bytes: Uint8Array, start: number, end: number): boolean;
  /**
   * Called when the head of a PUBLISH has arrived. Bytes `start` to `end` are the first `peeked` bytes of its payload,
   * or all of a shorter payload.
   */
  protected abstract publish(slot: number, isRetained: boolean, bytes: Uint8Array, start: number, end: number): void;
  /** Called when more of the payload has arrived. */
  protected abstract payload(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /** The PUBLISH is complete. */
  protected abstract published(slot: number): void;

  protected override grow(slot: number): void {
    super.grow(slot);
    this.left = grown(this.left, slot);
    this.pending = grown(this.pending, slot);
  }

  private read(slot: number, bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && !this.hasEnded(slot)) {
      const left = this.left[slot]!;
      if (left > 0) {
        const next = Math.min(end, at + left);
        this.left[slot] = left - (next - at);
        this.payload(slot, bytes, at, next);
        at = next;
        if (this.left[slot] === 0) this.endPublish(slot);
        continue;
      }
      const next = this.packetAt(slot, bytes, at, end);
      if (next === WAIT && !this.hasEnded(slot)) this.keep(slot, bytes, at, end);
      if (next < 0) return;
      at = next;
    }
  }

  /**
   * Continues the packet whose beginning is buffered. Pieces of doubling size are appended, so that few bytes beyond
   * the packet's end are copied, and none is copied twice if the packet arrives byte by byte.
   *
   * @returns the packet's end in `bytes`, or WAIT or ENDED
   */
  private readOn(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const { leftovers } = this;
    for (let at = start, size = FIRST_PIECE; at < end; at += size, size *= 2) {
      const to = Math.min(end, at + size);
      this.keep(slot, bytes, at, to);
      if (this.hasEnded(slot)) return ENDED;
      const length = leftovers.lengthOf(slot);
      const next = this.packetAt(slot, leftovers.bytesOf(slot), 0, length);
      if (next === WAIT) continue;
      leftovers.drop(slot);
      this.flags[slot]! &= ~PARTIAL;
      return next === ENDED ? ENDED : to - (length - next);
    }
    return WAIT;
  }

  /**
   * Reads the packet at `at`, or the head of a PUBLISH.
   * @returns the index after the packet or head, or WAIT or ENDED
   */
  private packetAt(slot: number, bytes: Uint8Array, at: number, end: number): number {
    const first = bytes[at]!;
    const type = first >> 4;
    if (!isFirstByte(first) || !this.isExpected(type, this.flags[slot]!)) return this.failed(slot, FAULT.BAD_PACKET);
    const size = lengthSize(bytes, at + 1, end);
    if (size < 0) return this.failed(slot, FAULT.BAD_PACKET);
    if (size === 0) return WAIT;
    const body = at + 1 + size;
    const last = body + lengthAt(bytes, at + 1);
    if (type === PACKET.publish) return this.publishAt(slot, bytes, first, body, end, last);
    if (last - body > LONGEST_HEAD) return this.failed(slot, FAULT.PACKET_TOO_LONG);
    if (last > end) return WAIT;
    if (!this.packet(slot, type, bytes, body, last)) return this.failed(slot, FAULT.BAD_PACKET);
    return last;
  }

  /** Reads the PUBLISH whose topic is at `body` and whose payload ends at `last`. */
  private publishAt(slot: number, bytes: Uint8Array, first: number, body: number, end: number, last: number): number {
    const qos = qosOf(first);
    if (body + 2 > last) return this.failed(slot, FAULT.BAD_PACKET);
    if (body + 2 > end) return WAIT;
    const topicEnd = dataEnd(bytes, body, last);
    let payload = topicEnd + (qos > 0 ? 2 : 0);
    if (topicEnd < 0 || payload > last) return this.failed(slot, FAULT.BAD_PACKET);
    if (this.isVersion5(slot)) {
      const size = lengthSize(bytes, payload, Math.min(end, last));
      if (size < 0 || (size === 0 && end >= last)) return this.failed(slot, FAULT.BAD_PACKET);
      if (size === 0) return payload - body > LONGEST_HEAD ? this.failed(slot, FAULT.PACKET_TOO_LONG) : WAIT;
      payload += size + lengthAt(bytes, payload);
      if (payload > last) return this.failed(slot, FAULT.BAD_PACKET);
    }
    if (payload - body > LONGEST_HEAD) return this.failed(slot, FAULT.PACKET_TOO_LONG);
    const peekedTo = Math.min(last, payload + this.peeked);
    if (peekedTo > end) return WAIT;
    const identifier = qos > 0 ? uint16At(bytes, topicEnd) : 0;
    if (
      !isText(bytes, body + 2, topicEnd) ||
      !isTopicName(bytes, body + 2, topicEnd) ||
      (qos > 0 && identifier === 0)
    ) {
      return this.failed(slot, FAULT.BAD_PACKET);
    }
    this.pending[slot] = (qos << QOS_SHIFT) | identifier;
    this.left[slot] = last - peekedTo;
    this.publish(slot, (first & RETAIN) !== 0, bytes, payload, peekedTo);
    if (peekedTo === last) this.endPublish(slot);
    return peekedTo;
  }

  /** Handles the end of a PUBLISH, and acknowledges it. */
  private endPublish(slot: number): void {
    this.published(slot);
    const pending = this.pending[slot]!;
    const qos = pending >> QOS_SHIFT;
    if (qos > 0) this.acknowledge(slot, qos === 1 ? PACKET.puback : PACKET.pubrec, pending & 0xffff);
  }

  private failed(slot: number, code: number): number {
    this.fail(slot, code);
    return ENDED;
  }

  private keep(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.leftovers.keep(slot, bytes, start, end)) this.flags[slot]! |= PARTIAL;
    else this.fail(slot, FAULT.PACKET_TOO_LONG);
  }
}
