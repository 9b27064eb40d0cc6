// A TUN device through io_uring: one multishot read with a ring of buffers, and writes in batches, so that a turn with
// hundreds of packets is a single system call.
import { EPOLLIN } from "../../../linux/syscalls/constants.js";
import { ENOMEM } from "../../../linux/syscalls/errno.js";
import { drain } from "../../../linux/syscalls/eventfd.js";
import { NativeBuffer } from "../../../linux/syscalls/libc.js";
import { VNET_HEADER } from "../../../linux/tun/tun.js";
import { bufferOf, CQE_FLAG } from "../../../linux/uring/abi.js";
import { registerDescriptor } from "../../../linux/uring/direct-files.js";
import { pushDeviceRead, pushDeviceWrite, pushPollDescriptor } from "../../../linux/uring/entries.js";
import { ProvidedBuffers } from "../../../linux/uring/provided-buffers.js";
import { Ring } from "../../../linux/uring/ring.js";
import {
  closeTun,
  DeviceCheck,
  dropsOf,
  FRAME_HEADROOM,
  isGoneBy,
  isPassing,
  isTrusted,
  type PacketDevice,
  type PacketSink,
  type TunHandle,
  writeVnetHeader,
} from "./device.js";

/** Maximum number of packets sent by one system call. */
const ENTRIES = 1024;
const COMPLETIONS = 4096;
const BUFFERS = 512;
const BUFFER_BYTES = 2048;
const GROUP = 0;
/** The device's index among the ring's registered files. */
const FILE = 0;
const TX_BYTES = 256 * 1024;
const TAG = { read: 1, write: 2, wakeUp: 3 } as const;
const NO_SLOT = -1;

export class RingDevice implements PacketDevice {
  readonly mtu: number;
  readonly completesChecksums = true;
  readonly tx: Uint8Array;
  isGone = false;
  private isClosed = false;
  private readonly memory = new NativeBuffer(TX_BYTES);
  private readonly tun: TunHandle;
  private readonly deviceCheck: DeviceCheck;
  private readonly wakeFd: number;
  private readonly ring: Ring;
  private readonly buffers: ProvidedBuffers;
  /** Number of bytes in `tx` occupied by the pushed packets. */
  private used = 0;

  /** @returns a negative errno if the ring cannot be opened */
  static open(tun: TunHandle): RingDevice | number {
    if (tun.mtu + VNET_HEADER.bytes > BUFFER_BYTES) return -ENOMEM;
    const ring = Ring.open({ entries: ENTRIES, completions: COMPLETIONS });
    if (typeof ring === "number") return ring;
    const failed = registerDescriptor(ring, tun.fd);
    const buffers = failed || ProvidedBuffers.register(ring, BUFFERS, BUFFER_BYTES, GROUP);
    if (typeof buffers !== "number") return new RingDevice(tun, ring, buffers);
    ring.close();
    return buffers;
  }

  private constructor(tun: TunHandle, ring: Ring, buffers: ProvidedBuffers) {
    this.tun = tun;
    this.deviceCheck = new DeviceCheck(tun);
    this.mtu = tun.mtu;
    this.wakeFd = tun.wakeFd;
    this.ring = ring;
    this.buffers = buffers;
    this.tx = this.memory.bytes;
    this.armRead();
    this.armWakeUp();
  }

  frame(length: number): number {
    if (this.used + FRAME_HEADROOM + length > TX_BYTES || this.ring.room === 0) this.flush();
    return this.used + FRAME_HEADROOM;
  }

  push(at: number, length: number): void {
    const start = writeVnetHeader(this.tx, at);
    pushDeviceWrite(this.ring, FILE, this.memory.address + start, length + VNET_HEADER.bytes, NO_SLOT, TAG.write);
    this.used = (at + length + 15) & ~15;
  }

  flush(): void {
    // The device copies packets as it takes them, so their memory can be reused.
    this.ring.submit();
    this.used = 0;
  }

  wait(waitMs: number, least: number): void {
    const { ring } = this;
    if (ring.ready >= least || waitMs <= 0) ring.enter(0, 0);
    else ring.enter(least, Number.isFinite(waitMs) ? waitMs : -1);
    this.used = 0;
  }

  receive(sink: PacketSink, max: number): boolean {
    const { ring, buffers } = this;
    let count = 0;
    for (; count < max && count < ring.ready; count++) {
      const tag = ring.tagAt(count);
      if (tag === TAG.read) this.completeRead(sink, ring.resultAt(count), ring.flagsAt(count));
      else if (tag === TAG.wakeUp) {
        drain(this.wakeFd);
        this.armWakeUp();
      } else if (isGoneBy(-ring.resultAt(count))) this.isGone = true;
    }
    if (count > 0) {
      ring.advance(count);
      buffers.publish();
    }
    return ring.ready > 0;
  }

  check(): void {
    if (this.deviceCheck.isGone()) this.isGone = true;
  }

  drops(): number {
    return dropsOf(this.tun);
  }

  close(waits = false): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.ring.close();
    this.buffers.release();
    closeTun(this.tun, waits);
  }

  private completeRead(sink: PacketSink, result: number, flags: number): void {
    if (result > VNET_HEADER.bytes) {
      const { buffers } = this;
      const id = bufferOf(flags);
      const at = buffers.offsetOf(id);
      const { memory } = buffers;
      sink.packet(memory, at + VNET_HEADER.bytes, result - VNET_HEADER.bytes, isTrusted(memory.bytes[at]!));
      buffers.giveBack(id);
    }
    if (result < 0 && !isPassing(-result)) {
      this.isGone = true;
      return;
    }
    // A multishot read ends by itself when no buffer is left, for example.
    if ((flags & CQE_FLAG.more) === 0) this.armRead();
  }

  private armRead(): void {
    if (this.ring.room === 0) this.flush();
    pushDeviceRead(this.ring, FILE, GROUP, NO_SLOT, TAG.read);
  }

  private armWakeUp(): void {
    if (this.ring.room === 0) this.flush();
    pushPollDescriptor(this.ring, this.wakeFd, EPOLLIN, NO_SLOT, TAG.wakeUp);
  }
}
