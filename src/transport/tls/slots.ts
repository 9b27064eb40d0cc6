// Keeps the state of TLS connections by slot: nine bytes each, plus buffers for connections
// with pending data.

import { NativeBuffer } from "../../linux/syscalls/libc.js";

// Bits of `flags`.
/** The handshake has not completed. */
export const HANDSHAKING = 1;
/** The role has more to send than was accepted and is waiting for sent(). */
export const WANTS_SENT = 2;
/** Ciphertext is waiting for the transport below. */
export const UNSENT = 4;
/** Decrypted data is waiting in OpenSSL for the role. */
export const HELD = 8;
/** Ciphertext is waiting to be decrypted. */
export const KEPT = 16;
/** For clients only: the session must be stored once it becomes resumable. */
export const WANTS_SESSION = 32;
/** For clients only: an earlier session was offered. */
export const OFFERED = 64;
/** The slot is in use. */
export const LIVE = 128;

/**
 * Maximum pending data of all of a worker's connections. The limit is needed because peers
 * determine the amount of pending data.
 */
export const MOST_WAITING = 64 * 1024 * 1024;

/** Pending data of one connection. */
interface Waiting {
  readonly buffer: NativeBuffer;
  start: number;
}

export class TlsSlots {
  /** Addresses of SSL objects; 0 if none. */
  connections = new Float64Array(0);
  flags = new Uint8Array(0);
  /** Buffers of connections with KEPT or UNSENT, by slot. */
  private readonly kept = new Map<number, NativeBuffer>();
  private readonly unsent = new Map<number, Waiting>();
  /** Total size of these buffers. */
  waitingBytes = 0;

  /** Whether the connections together have too much pending data to store more. */
  get isFull(): boolean {
    return this.waitingBytes > MOST_WAITING;
  }

  /** Initializes a new slot. */
  begin(slot: number, flags: number): void {
    if (slot >= this.flags.length) this.grow(slot);
    this.connections[slot] = 0;
    this.flags[slot] = flags | LIVE;
  }

  /** Returns whether any of `bits` is set, for any slot. */
  has(slot: number, bits: number): boolean {
    return slot < this.flags.length && (this.flags[slot]! & bits) !== 0;
  }

  set(slot: number, bits: number): void {
    this.flags[slot]! |= bits;
  }

  clear(slot: number, bits: number): void {
    this.flags[slot]! &= ~bits;
  }

  /** Clears all state of `slot`. */
  end(slot: number): void {
    const flags = this.flags[slot]!;
    if (flags & KEPT) this.takeKept(slot);
    if (flags & UNSENT) this.sentAll(slot);
    this.flags[slot] = 0;
    this.connections[slot] = 0;
  }

  /**
   * Appends a copy of ciphertext to what is already stored.
   * @returns number of bytes kept
   */
  keep(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    const before = this.kept.get(slot);
    this.kept.set(slot, joined(before?.bytes, bytes.bytes.subarray(offset, offset + length)));
    this.set(slot, KEPT);
    this.waitingBytes += length;
    return (before?.bytes.length ?? 0) + length;
  }

  takeKept(slot: number): NativeBuffer | undefined {
    if (!this.has(slot, KEPT)) return undefined;
    const kept = this.kept.get(slot);
    this.kept.delete(slot);
    this.clear(slot, KEPT);
    this.waitingBytes -= kept?.bytes.length ?? 0;
    return kept;
  }

  /**
   * Appends a copy of what the transport below did not accept.
   * @returns number of bytes pending
   */
  keepUnsent(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    const before = this.unsent.get(slot);
    const buffer = joined(before?.buffer.bytes.subarray(before.start), bytes.bytes.subarray(offset, offset + length));
    this.unsent.set(slot, { buffer, start: 0 });
    this.set(slot, UNSENT);
    this.waitingBytes += buffer.bytes.length - (before?.buffer.bytes.length ?? 0);
    return buffer.bytes.length;
  }

  unsentOf(slot: number): Waiting {
    return this.unsent.get(slot)!;
  }

  sentAll(slot: number): void {
    this.waitingBytes -= this.unsent.get(slot)?.buffer.bytes.length ?? 0;
    this.unsent.delete(slot);
    this.clear(slot, UNSENT);
  }

  private grow(slot: number): void {
    const length = Math.max(slot + 1, this.flags.length * 2, 1024);
    const [connections, flags] = [new Float64Array(length), new Uint8Array(length)];
    connections.set(this.connections);
    flags.set(this.flags);
    this.connections = connections;
    this.flags = flags;
  }
}

function joined(first: Uint8Array | undefined, second: Uint8Array): NativeBuffer {
  const firstLength = first?.length ?? 0;
  const buffer = new NativeBuffer(firstLength + second.length);
  if (first) buffer.bytes.set(first);
  buffer.bytes.set(second, firstLength);
  return buffer;
}
