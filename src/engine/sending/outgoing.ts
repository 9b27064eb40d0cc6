// What connections have to send, at once as far as their peers take it. The rest waits: as a place in the protocol's constants, which takes
// no memory, or as a copy in bounded memory.
import { ENOBUFS } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { grown } from "../../protocols/columns.js";
import type { Sender, Unsent } from "./unsent.js";

/** What is not sent from where it is goes through a buffer of this size. */
const COPIED_AT_ONCE = 16 * 1024;

export class Outgoing {
  private readonly sender: Sender;
  private readonly unsent: Unsent;
  /** All constants, one behind the other, and where each ends. */
  private readonly constants: NativeBuffer;
  private readonly ends: readonly number[];
  /** The constant byte that is sent next, and one; 0 for none. Up to the highest slot that has ever been blocked. */
  private positions = new Uint32Array(0);
  private copied: NativeBuffer | undefined;

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

  /** Whether bytes for `slot` wait to be sent. */
  isSending(slot: number): boolean {
    return (slot < this.positions.length && this.positions[slot]! > 0) || this.unsent.has(slot);
  }

  /** Whether the rest of what one more peer does not take may be kept. */
  get hasRoom(): boolean {
    return this.unsent.hasRoom;
  }

  /** Sends constant number `place`. @returns bytes taken, or a negative errno */
  sendConstant(slot: number, place: number): number {
    const start = place === 0 ? 0 : this.ends[place - 1]!;
    const end = this.ends[place]!;
    return this.isSending(slot) ? this.keep(slot, this.constants, start, end) : this.sendFrom(slot, start, end);
  }

  /**
   * Sends bytes `start` to `end` of `source`, and keeps a copy of what the peer does not take.
   *
   * @returns bytes taken, or a negative errno: ENOBUFS when there is no room for the rest
   */
  send(slot: number, source: NativeBuffer, start: number, end: number): number {
    if (this.isSending(slot)) return this.keep(slot, source, start, end);
    const sent = this.sender.send(slot, source, start, end - start);
    if (sent < 0 || sent === end - start) return sent;
    const kept = this.keep(slot, source, start + sent, end);
    return kept < 0 ? kept : sent;
  }

  /** As send(), of bytes that are not the kernel's to read. */
  sendCopy(slot: number, bytes: Uint8Array, start: number, end: number): number {
    this.copied ??= new NativeBuffer(COPIED_AT_ONCE);
    let taken = 0;
    for (let at = start; at < end; at += COPIED_AT_ONCE) {
      const length = Math.min(end - at, COPIED_AT_ONCE);
      this.copied.bytes.set(bytes.subarray(at, at + length));
      const sent = this.send(slot, this.copied, 0, length);
      if (sent < 0) return sent;
      taken += sent;
    }
    return taken;
  }

  /** Goes on with what waits for `slot`. @returns bytes taken, or a negative errno */
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

  /** Forgets what waits for `slot`: its connection has ended. */
  drop(slot: number): void {
    if (slot < this.positions.length) this.positions[slot] = 0;
    this.unsent.drop(slot);
  }

  /** Sends constant bytes. An error leaves them waiting, too. */
  private sendFrom(slot: number, start: number, end: number): number {
    const sent = this.sender.send(slot, this.constants, start, end - start);
    const next = start + Math.max(0, sent);
    if (next < end) {
      if (slot >= this.positions.length) this.positions = grown(this.positions, slot);
      this.positions[slot] = next + 1;
    } else if (slot < this.positions.length) this.positions[slot] = 0;
    return sent;
  }

  private keep(slot: number, source: NativeBuffer, start: number, end: number): number {
    return this.unsent.keep(slot, source, start, end) ? 0 : -ENOBUFS;
  }

  /** Where the constant that byte `position` is of ends. */
  private endOf(position: number): number {
    let place = 0;
    while (this.ends[place]! <= position) place++;
    return this.ends[place]!;
  }
}
