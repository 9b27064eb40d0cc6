// Stores the unsent bytes of each connection in a chunk of bounded memory. The peer decides when to read, so the memory
// held for a peer must be bounded.

import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { FAULT } from "../../protocols/codes.js";
import { grown } from "../../protocols/columns.js";
import type { Transport } from "../../transport/contract.js";
import { BLOCK_BYTES, Chunks, NONE } from "./chunks.js";

/** Accepts bytes to send. */
export type Sender = Pick<Transport, "send">;

export class Unsent {
  private readonly memory: Chunks;
  /** Chunk of each slot, plus one; 0 for none. */
  private chunks = new Uint32Array(0);

  /**
   * @param shared words shared by all threads
   * @param word index of the word that counts the blocks of memory in use
   */
  constructor(shared: Int32Array, word: number) {
    this.memory = new Chunks(shared, word);
  }

  /** Whether there is room for another slot's bytes, however many. */
  get hasRoom(): boolean {
    return this.memory.hasRoom;
  }

  /** Returns whether `slot` has unsent bytes. */
  has(slot: number): boolean {
    return slot < this.chunks.length && this.chunks[slot]! > 0;
  }

  /**
   * Appends bytes `start` to `end` of `source` to the unsent bytes of `slot`.
   *
   * @returns 0, or a negative code if none were stored: SEND_QUEUE_FULL if the slot would have more than BLOCK_BYTES,
   * BUFFERS_FULL if there is no memory left
   * @throws {RangeError} if memory for this thread cannot be allocated
   */
  keep(slot: number, source: NativeBuffer, start: number, end: number): number {
    const { memory } = this;
    const error = this.makeRoom(slot, end - start);
    if (error < 0) return error;
    const chunk = this.chunks[slot]! - 1;
    const at = memory.ends[chunk]!;
    memory.buffer.bytes.set(source.bytes.subarray(start, end), at);
    memory.ends[chunk] = at + end - start;
    return 0;
  }

  /**
   * Sends unsent bytes of `slot`.
   * @returns number of bytes sent, or a negative errno
   */
  send(slot: number, sender: Sender): number {
    const { memory } = this;
    const chunk = this.chunks[slot]! - 1;
    const start = memory.starts[chunk]!;
    const sent = sender.send(slot, memory.buffer, start, memory.ends[chunk]! - start);
    if (sent > 0) memory.starts[chunk] = start + sent;
    return sent;
  }

  /** Returns whether all bytes kept for `slot` have been sent. */
  isSent(slot: number): boolean {
    const chunk = this.chunks[slot]! - 1;
    return this.memory.starts[chunk] === this.memory.ends[chunk];
  }

  /** Discards unsent bytes of `slot`, if any. */
  drop(slot: number): void {
    if (!this.has(slot)) return;
    this.memory.give(this.chunks[slot]! - 1);
    this.chunks[slot] = 0;
  }

  /**
   * Makes room for `bytes` more bytes after the unsent bytes of `slot`.
   * @returns 0 or a negative code; see keep()
   */
  private makeRoom(slot: number, bytes: number): number {
    const { memory } = this;
    const old = this.has(slot) ? this.chunks[slot]! - 1 : NONE;
    if (old !== NONE && memory.ends[old]! + bytes <= memory.offsetOf(old) + memory.sizeOf(old)) return 0;
    const start = old === NONE ? 0 : memory.starts[old]!;
    const end = old === NONE ? 0 : memory.ends[old]!;
    const needed = end - start + bytes;
    if (needed > BLOCK_BYTES) return -FAULT.SEND_QUEUE_FULL;
    const chunk = old !== NONE && needed <= memory.sizeOf(old) ? old : memory.take(needed);
    if (chunk === NONE) return -FAULT.BUFFERS_FULL;
    if (slot >= this.chunks.length) this.chunks = grown(this.chunks, slot);
    this.chunks[slot] = chunk + 1;
    const at = memory.offsetOf(chunk);
    memory.buffer.bytes.copyWithin(at, start, end);
    memory.starts[chunk] = at;
    memory.ends[chunk] = at + end - start;
    if (old !== NONE && old !== chunk) memory.give(old);
    return 0;
  }
}
