// Sends as much data as the socket accepts at once. The rest is remembered as an index into the protocol's
// constants, which takes no memory, or as a copy in bounded memory.
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { grown } from "../../protocols/columns.js";
import type { Sender, Unsent } from "./unsent.js";

/** Size of the buffer for gathered data and for data outside native memory. Its content fits into Unsent. */
const COPIED_AT_ONCE = 16 * 1024;
/** Up to this size, copying byte by byte is faster than creating a view. */
const COPIED_SINGLY = 128;
/** Value of `gathered` while nothing is being gathered. */
const NOT_GATHERING = -1;

export class Outgoing {
  private readonly sender: Sender;
  private readonly unsent: Unsent;
  /** All constants, concatenated, and the offset at which each ends. */
  private readonly constants: NativeBuffer;
  private readonly ends: readonly number[];
  /**
   * Per slot: index of the next constant byte to send, plus one; 0 for none. The array extends to the highest slot
   * ever blocked.
   */
  private positions = new Uint32Array(0);
  private copied: NativeBuffer | undefined;
  /** Number of bytes gathered in `copied` to be sent together. */
  private gathered = NOT_GATHERING;

  /** @param constants see Protocol */
  constructor(sender: Sender, constants: readonly Uint8Array[], unsent: Unsent) {
    let end = 0;
    this.sender = sender;
    this.unsent = unsent;
    this.constants = NativeBuffer.from(Buffer.concat(constants));
    this.ends = constants.map(({ length }) => {
      end += length;
      return end;
    });
  }

  /** Returns whether `slot` has unsent bytes. */
  isSending(slot: number): boolean {
    return (slot < this.positions.length && this.positions[slot]! > 0) || this.unsent.has(slot);
  }

  /** Whether there is room for another connection's unsent bytes. */
  get hasRoom(): boolean {
    return this.unsent.hasRoom;
  }

  /** Gathers what is sent to `slot` until sendGathered(). The slot must have no unsent bytes. */
  gather(): void {
    this.copied ??= new NativeBuffer(COPIED_AT_ONCE);
    this.gathered = 0;
  }

  /** Number of bytes gathered; -1 if bytes are sent at once, for example because they did not fit in the buffer. */
  get gatheredBytes(): number {
    return this.gathered;
  }

  /** Whether `bytes` more bytes can be gathered. */
  canGather(bytes: number): boolean {
    return this.gathered >= 0 && this.gathered + bytes <= COPIED_AT_ONCE;
  }

  /**
   * Sends what was gathered for `slot`.
   * @returns number of bytes sent, or a negative errno
   */
  sendGathered(slot: number): number {
    const end = this.gathered;
    this.gathered = NOT_GATHERING;
    return end > 0 ? this.send(slot, this.copied!, 0, end) : 0;
  }

  /** Discards what was gathered, because its connection has ended. */
  dropGathered(): void {
    this.gathered = NOT_GATHERING;
  }

  /**
   * Sends the constant at index `place`.
   * @returns number of bytes sent, or a negative errno
   */
  sendConstant(slot: number, place: number): number {
    const start = place === 0 ? 0 : this.ends[place - 1]!;
    const end = this.ends[place]!;
    if (this.gathered >= 0) return this.sendCopy(slot, this.constants.bytes, start, end);
    return this.isSending(slot) ? this.unsent.keep(slot, this.constants, start, end) : this.sendFrom(slot, start, end);
  }

  /**
   * Sends bytes `start` to `end` of `source` and copies what the socket does not accept.
   *
   * @returns number of bytes sent, or a negative errno or code; see Unsent.keep() for the codes if there is no room for
   * the rest
   */
  send(slot: number, source: NativeBuffer, start: number, end: number): number {
    if (this.isSending(slot)) return this.unsent.keep(slot, source, start, end);
    const sent = this.sender.send(slot, source, start, end - start);
    if (sent < 0 || sent === end - start) return sent;
    const kept = this.unsent.keep(slot, source, start + sent, end);
    return kept < 0 ? kept : sent;
  }

  /** Like send(), for bytes outside native memory. */
  sendCopy(slot: number, bytes: Uint8Array, start: number, end: number): number {
    if (this.gathered >= 0) {
      if (this.canGather(end - start)) return this.addGathered(bytes, start, end);
      return this.sendAfterGathered(slot, bytes, start, end);
    }
    this.copied ??= new NativeBuffer(COPIED_AT_ONCE);
    let taken = 0;
    for (let at = start; at < end; at += COPIED_AT_ONCE) {
      const length = Math.min(end - at, COPIED_AT_ONCE);
      copyBytes(this.copied.bytes, 0, bytes, at, at + length);
      const sent = this.send(slot, this.copied, 0, length);
      if (sent < 0) return sent;
      taken += sent;
    }
    return taken;
  }

  /**
   * Continues sending the unsent bytes of `slot`.
   * @returns number of bytes sent, or a negative errno
   */
  resume(slot: number): number {
    let taken = 0;
    const position = slot < this.positions.length ? this.positions[slot]! - 1 : -1;
    if (position >= 0) {
      taken = this.sendFrom(slot, position, this.endOf(position));
      if (taken < 0 || this.positions[slot]! > 0) return taken;
    }
    if (!this.unsent.has(slot)) return taken;
    const sent = this.unsent.send(slot, this.sender);
    if (sent < 0) return sent;
    if (this.unsent.isSent(slot)) this.unsent.drop(slot);
    return taken + sent;
  }

  /** Discards the unsent bytes of `slot`, whose connection has ended. */
  drop(slot: number): void {
    if (slot < this.positions.length) this.positions[slot] = 0;
    this.unsent.drop(slot);
  }

  /** Sends constant bytes. After an error, the bytes stay unsent. */
  private sendFrom(slot: number, start: number, end: number): number {
    const sent = this.sender.send(slot, this.constants, start, end - start);
    const next = start + Math.max(0, sent);
    if (next < end) {
      if (slot >= this.positions.length) this.positions = grown(this.positions, slot);
      this.positions[slot] = next + 1;
    } else if (slot < this.positions.length) this.positions[slot] = 0;
    return sent;
  }

  private addGathered(bytes: Uint8Array, start: number, end: number): number {
    copyBytes(this.copied!.bytes, this.gathered, bytes, start, end);
    this.gathered += end - start;
    return 0;
  }

  /** Sends what was gathered, and then the bytes that did not fit in the buffer. */
  private sendAfterGathered(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const sent = this.sendGathered(slot);
    if (sent < 0) return sent;
    const rest = this.sendCopy(slot, bytes, start, end);
    return rest < 0 ? rest : sent + rest;
  }

  /** Returns the end of the constant that contains byte `position`. */
  private endOf(position: number): number {
    let place = 0;
    while (this.ends[place]! <= position) place++;
    return this.ends[place]!;
  }
}

function copyBytes(target: Uint8Array, to: number, bytes: Uint8Array, start: number, end: number): void {
  if (end - start > COPIED_SINGLY) target.set(bytes.subarray(start, end), to);
  else for (let at = start; at < end; at++) target[to + at - start] = bytes[at]!;
}
