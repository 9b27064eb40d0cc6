// The sending half of MQTT clients and servers: collects answers, sends them together, and ends connections.
import { FAULT } from "../codes.js";
import { grown } from "../columns.js";
import type { Connections } from "../contract.js";
import { CLOSED, CONNECTED, VERSION_5 } from "./flags.js";
import { firstByte, PACKET, writeUint16 } from "./packet.js";
import { REASON } from "./reasons.js";

/** Maximum length of a buffered packet, or of the buffered head of a PUBLISH. Longer ones are refused. */
export const LONGEST_HEAD = 64 * 1024;
/** Size of the answer buffer. The longest answer is a SUBACK to a packet full of filters of four bytes each. */
const GATHERED = 4096 + LONGEST_HEAD / 4;

export abstract class AnsweringSide {
  protected readonly connections: Connections;
  /** Flags by slot; see flags.ts. */
  protected flags: Uint8Array<ArrayBuffer>;
  /** Answers not yet sent. */
  private readonly gathered = new Uint8Array(GATHERED);
  private gatheredTo = 0;

  constructor(connections: Connections, slots: number) {
    this.connections = connections;
    this.flags = new Uint8Array(slots);
  }

  protected grow(slot: number): void {
    this.flags = grown(this.flags, slot);
  }

  /** Answers with a packet that consists only of a type and an identifier. */
  protected acknowledge(slot: number, type: number, identifier: number): void {
    const at = this.room(slot, 4);
    this.gathered[at] = firstByte(type);
    this.gathered[at + 1] = 2;
    writeUint16(this.gathered, at + 2, identifier);
  }

  /** Answers with these bytes. */
  protected answer(slot: number, bytes: Uint8Array): void {
    const at = this.room(slot, bytes.length);
    this.gathered.set(bytes, at);
  }

  /**
   * Reserves `length` bytes in `answers` for an answer.
   * @returns the index of the first byte
   */
  protected room(slot: number, length: number): number {
    if (this.gatheredTo + length > GATHERED) this.flush(slot);
    this.gatheredTo += length;
    return this.gatheredTo - length;
  }

  protected get answers(): Uint8Array {
    return this.gathered;
  }

  /** Ends a connection that this side or the peer refuses. Pending answers are sent first, and nothing else. */
  protected refuse(slot: number, code: number): void {
    this.flush(slot);
    if (this.hasEnded(slot)) return;
    this.flags[slot]! |= CLOSED;
    this.connections.refused(slot, code);
  }

  /** Ends the connection normally. */
  protected end(slot: number): void {
    this.flush(slot);
    if (this.hasEnded(slot)) return;
    this.flags[slot]! |= CLOSED;
    this.connections.close(slot);
  }

  /**
   * Ends a connection whose peer violated the protocol. In MQTT 5, a DISCONNECT with the reason is sent first.
   */
  protected fail(slot: number, code: number): void {
    const flags = this.flags[slot]!;
    if ((flags & (CONNECTED | VERSION_5)) === (CONNECTED | VERSION_5)) {
      const reason = code === FAULT.PACKET_TOO_LONG ? REASON.packetTooLarge : REASON.malformedPacket;
      this.answer(slot, Uint8Array.of(firstByte(PACKET.disconnect), 1, reason));
    }
    this.refuse(slot, code);
  }

  protected hasEnded(slot: number): boolean {
    return (this.flags[slot]! & CLOSED) !== 0;
  }

  protected isVersion5(slot: number): boolean {
    return (this.flags[slot]! & VERSION_5) !== 0;
  }

  /** Sends the answers. */
  protected flush(slot: number): void {
    const end = this.gatheredTo;
    if (end === 0) return;
    this.gatheredTo = 0;
    if (!this.hasEnded(slot)) this.connections.send(slot, this.gathered, 0, end);
  }
}
