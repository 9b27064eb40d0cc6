// The device below the stack, which takes and delivers IP packets. Packets to send are written in place.
import type { NativeBuffer } from "../../../linux/syscalls/libc.js";

/** Takes packets. */
export interface PacketSink {
  /**
   * Handles a packet.
   *
   * @param isTrusted whether its TCP checksum need not be verified
   */
  packet(buffer: NativeBuffer, at: number, length: number, isTrusted: boolean): void;
}

export interface PacketDevice {
  /** Largest packet. */
  readonly mtu: number;
  /** Whether packets are sent with the checksum of the pseudo header only; somebody else completes it. */
  readonly completesChecksums: boolean;
  /** Memory of the packets to send. */
  readonly tx: Uint8Array;
  /** Returns where in `tx` to write a packet of at most `length` bytes. May send earlier ones first. */
  frame(length: number): number;
  /** Sends the packet written at the place that frame() returned, with the next flush() or turn() at the latest. */
  push(at: number, length: number): void;
  /** Sends all packets pushed so far. */
  flush(): void;
  /** Waits for a packet or the wake-up descriptor, for at most `waitMs`. 0 does not wait. */
  wait(waitMs: number): void;
  /** Passes on at most `max` packets that have arrived. @returns whether there may be more */
  receive(sink: PacketSink, max: number): boolean;
  close(): void;
}
