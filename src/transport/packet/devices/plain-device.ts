// A TUN device without io_uring: one system call for each packet. This device serves hosts
// that forbid io_uring.
import { EPOLLIN } from "../../../linux/syscalls/constants.js";
import { Epoll } from "../../../linux/syscalls/epoll.js";
import { drain } from "../../../linux/syscalls/eventfd.js";
import { lastErrno, libc, NativeBuffer } from "../../../linux/syscalls/libc.js";
import { VNET_HEADER } from "../../../linux/tun/tun.js";
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

const TX_BYTES = 4096;
const DATA = { device: 0, wakeUp: 1 } as const;

export class PlainDevice implements PacketDevice {
  readonly mtu: number;
  readonly completesChecksums = true;
  readonly tx: Uint8Array;
  isGone = false;
  private isClosed = false;
  private readonly memory = new NativeBuffer(TX_BYTES);
  private readonly rx: NativeBuffer;
  private readonly tun: TunHandle;
  private readonly deviceCheck: DeviceCheck;
  private readonly fd: number;
  private readonly wakeFd: number;
  private readonly epoll = new Epoll(2);

  /** @returns a negative errno if the device cannot be polled for packets */
  static open(tun: TunHandle): PlainDevice | number {
    const device = new PlainDevice(tun);
    const { epoll } = device;
    if (epoll.fd < 0) return epoll.fd;
    const failed = Math.min(epoll.add(tun.fd, EPOLLIN, DATA.device), epoll.add(tun.wakeFd, EPOLLIN, DATA.wakeUp));
    if (failed >= 0) return device;
    epoll.close();
    return failed;
  }

  private constructor(tun: TunHandle) {
    this.tun = tun;
    this.deviceCheck = new DeviceCheck(tun);
    this.fd = tun.fd;
    this.mtu = tun.mtu;
    this.wakeFd = tun.wakeFd;
    this.tx = this.memory.bytes;
    this.rx = new NativeBuffer(tun.mtu + VNET_HEADER.bytes);
  }

  frame(): number {
    return FRAME_HEADROOM;
  }

  push(at: number, length: number): void {
    const start = writeVnetHeader(this.tx, at);
    const written = libc.write(this.fd, this.memory.address + start, length + VNET_HEADER.bytes);
    if (written < 0 && isGoneBy(lastErrno())) this.isGone = true;
  }

  flush(): void {
    // Packets are sent at once.
  }

  wait(waitMs: number): void {
    const ready = this.epoll.wait(Number.isFinite(waitMs) ? Math.max(0, waitMs) : -1);
    for (let n = 0; n < ready; n++) if (this.epoll.readyData(n) === DATA.wakeUp) drain(this.wakeFd);
  }

  receive(sink: PacketSink, max: number): boolean {
    const { rx, fd } = this;
    if (this.isGone) return false;
    for (let n = 0; n < max; n++) {
      const length = libc.read(fd, rx.address, rx.bytes.length);
      if (length < 0 && !isPassing(lastErrno())) {
        this.isGone = true;
        // From now on, epoll would always report an error on the descriptor.
        this.epoll.remove(fd);
      }
      if (length <= VNET_HEADER.bytes) return false;
      sink.packet(rx, VNET_HEADER.bytes, length - VNET_HEADER.bytes, isTrusted(rx.bytes[0]!));
    }
    return true;
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
    this.epoll.close();
    closeTun(this.tun, waits);
  }
}
