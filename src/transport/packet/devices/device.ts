// The device below the stack: it sends and receives IP packets. Packets to send are written in place.
import { isLinkDown, type Prefix, readDroppedPackets, removeLink } from "../../../linux/netlink/link-changes.js";
import { routeTo } from "../../../linux/netlink/rtnetlink.js";
import {
  EACCES,
  EAGAIN,
  EBADFD,
  ECANCELED,
  EHOSTUNREACH,
  EINTR,
  EINVAL,
  EIO,
  ENETUNREACH,
  ENOBUFS,
  ENOMEM,
} from "../../../linux/syscalls/errno.js";
import { libc, type NativeBuffer } from "../../../linux/syscalls/libc.js";
import { VNET_FLAG, VNET_HEADER } from "../../../linux/tun/tun.js";
import type { IpAddress } from "../../../util/address.js";
import { closeQueue, type SharedTun } from "./shared-tun.js";

/** Room in front of a packet for the device's own header. A multiple of 16. */
export const FRAME_HEADROOM = 16;
const V4_BYTES = 20;
const V6_BYTES = 40;
const TCP_CHECKSUM = 16;
const PASSING = [EAGAIN, EINTR, ENOBUFS, ENOMEM, ECANCELED];
/** Maximum number of routes to look for. */
const MOST_ROUTES = 8;
/** Errnos of a lookup that finds no route; any other says nothing. */
const NO_ROUTE = [-ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL];

/** Receives packets. */
export interface PacketSink {
  /**
   * Handles a packet.
   *
   * @param isTrusted whether the packet's TCP checksum need not be verified
   */
  packet(buffer: NativeBuffer, at: number, length: number, isTrusted: boolean): void;
}

/** A TUN device that is up. Whoever opened the device closes it, unless a PacketDevice has taken it over. */
export interface TunHandle {
  readonly fd: number;
  readonly index: number;
  readonly mtu: number;
  /** A descriptor that ends a wait once it is readable. */
  readonly wakeFd: number;
  /** Whether this thread has made the device, and tells how many packets it has dropped. */
  readonly isFirst: boolean;
  /** Number of packets that the kernel dropped before the device was running. */
  readonly droppedBefore: number;
  /** Undefined if no other thread uses the device. */
  readonly shared: SharedTun | undefined;
  /** Address blocks that are routed to the device. */
  readonly routes: readonly Prefix[];
}

export interface PacketDevice {
  /** Maximum size of a packet in bytes. */
  readonly mtu: number;
  /** Whether packets are sent with the checksum of the pseudo-header only, which the device completes. */
  readonly completesChecksums: boolean;
  /**
   * Whether the device was removed, so that reading has failed for good, was brought down, which removes its routes and
   * lets writing fail with EIO, or has lost its routes otherwise. receive() then delivers nothing more.
   */
  readonly isGone: boolean;
  /** Memory in which packets to send are written. */
  readonly tx: Uint8Array;
  /**
   * Returns the offset in `tx` at which to write a packet of at most `length` bytes. The call may send earlier
   * packets first.
   */
  frame(length: number): number;
  /** Sends the packet written at the offset that frame() returned, no later than with the next flush() or turn(). */
  push(at: number, length: number): void;
  /** Sends all packets pushed so far. */
  flush(): void;
  /**
   * Sends all packets pushed so far, and waits for packets or the wake-up descriptor.
   *
   * @param waitMs maximum duration; 0 does not wait
   * @param least number of packets to wait for, if the device can tell
   */
  wait(waitMs: number, least: number): void;
  /**
   * Delivers up to `max` packets that have arrived.
   * @returns whether there may be more
   */
  receive(sink: PacketSink, max: number): boolean;
  /**
   * Updates `isGone`, because reading does not report that a device was brought down or has lost its routes, and may miss
   * its removal. To be called repeatedly, but not more than once per second.
   */
  check?(): void;
  /** Returns how many packets were dropped because they did not fit into the device's queue. */
  drops?(): number;
  /** @param waits whether to wait until the other threads that use the device have ended, too; default false */
  close(waits?: boolean): void;
}

/** Returns how many packets a running device has dropped; 0 if another thread tells. */
export function dropsOf({ isFirst, index, droppedBefore }: TunHandle): number {
  return isFirst ? Math.max(0, readDroppedPackets(index) - droppedBefore) : 0;
}

/** Removes a device with its routes. Closing the device's descriptor would do so too, but only some time later. */
export function closeTun({ fd, index, shared }: TunHandle, waits: boolean): void {
  if (shared) {
    closeQueue(shared, fd, index, waits);
    return;
  }
  removeLink(index);
  libc.close(fd);
}

/** Writes the header that asks the device to complete a TCP checksum, right before the packet. @returns its offset */
export function writeVnetHeader(bytes: Uint8Array, at: number): number {
  const start = at - VNET_HEADER.bytes;
  bytes[start] = VNET_FLAG.needsChecksum;
  for (let i = 1; i < VNET_HEADER.bytes; i++) bytes[start + i] = 0;
  bytes[start + VNET_HEADER.checksumStart] = bytes[at]! >>> 4 === 4 ? V4_BYTES : V6_BYTES;
  bytes[start + VNET_HEADER.checksumOffset] = TCP_CHECKSUM;
  return start;
}

/** Finds out whether nothing will ever arrive from a device any more. */
export class DeviceCheck {
  private readonly tun: TunHandle;
  /** Whether a lookup on this host finds a route at all: with rules for routing, only those of other hosts may. */
  private wasRouted = false;
  private missed = 0;

  constructor(tun: TunHandle) {
    this.tun = tun;
  }

  /** Returns whether the device is down, or none of its blocks was routed to it in this call and the last. */
  isGone(): boolean {
    const { index, routes } = this.tun;
    const isRouted = routes.slice(0, MOST_ROUTES).some(({ first }) => leadsTo(first, index));
    this.wasRouted ||= isRouted;
    this.missed = isRouted || !this.wasRouted ? 0 : this.missed + 1;
    // Whoever replaces a route may remove it first.
    return this.missed > 1 || isLinkDown(index);
  }
}

function leadsTo(ip: IpAddress, index: number): boolean {
  const route = routeTo(ip);
  return typeof route === "number" ? !NO_ROUTE.includes(route) : route.interfaceIndex === index;
}

/**
 * Returns whether reading from a device can succeed after this errno. io_uring reports ECANCELED if it lacks the memory
 * to wait for packets (io_wq_submit_work() in the kernel).
 */
export function isPassing(errno: number): boolean {
  return PASSING.includes(errno);
}

/** Returns whether a failed write means that the device was brought down or removed. */
export function isGoneBy(errno: number): boolean {
  return errno === EIO || errno === EBADFD;
}

/** Returns whether a packet's checksum needs no verification. @param flags of its header */
export function isTrusted(flags: number): boolean {
  return (flags & (VNET_FLAG.needsChecksum | VNET_FLAG.dataValid)) !== 0;
}
