// Device below the stack, which sends and receives IP packets. Packets to send are written in place.
import type { NativeBuffer } from "../../../linux/syscalls/libc.js";

/** Receives packets. */
export interface PacketSink {
  /**
   * Handles a packet.
   *
   * @param isTrusted whether its TCP checksum need not be verified
   */
  packet(buffer: NativeBuffer, at: number, length: number, isTrusted: boolean): void;
}

export interface PacketDevice {
  /** Maximum size of a packet in bytes. */
  readonly mtu: number;
  /** Whether packets leave with the checksum of the pseudo-header only, to be completed below. */
  readonly completesChecksums: boolean;
  /** Memory for packets to send. */
  readonly tx: Uint8Array;
  /**
   * Returns the offset in `tx` at which to write a packet of at most `length` bytes. May send earlier packets first.
   */
  frame(length: number): number;
  /** Sends the packet written at the offset that frame() returned, no later than with the next flush() or turn(). */
  push(at: number, length: number): void;
  /** Sends all packets pushed so far. */
  flush(): void;
  /** Waits for a packet or the wake-up descriptor, for at most `waitMs`. 0 does not wait. */
  wait(waitMs: number): void;
  /**
   * Delivers up to `max` packets that have arrived.
   * @returns whether there may be more
   */
  receive(sink: PacketSink, max: number): boolean;
  close(): void;
}
