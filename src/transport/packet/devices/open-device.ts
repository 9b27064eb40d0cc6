// Makes a worker's TUN device, brings it up with its routes, and opens it, with or without io_uring.
import {
  addRoute,
  isLinkRunning,
  overlaps,
  type Prefix,
  readDroppedPackets,
  readRoutes,
  setLinkUp,
} from "../../../linux/netlink/link-changes.js";
import { interfacePart, writeSysctl } from "../../../linux/proc/sysctl.js";
import { EEXIST, ENETDOWN, ENOMEM } from "../../../linux/syscalls/errno.js";
import { interfaceIndex, interfaceName } from "../../../linux/syscalls/interface-names.js";
import { libc } from "../../../linux/syscalls/libc.js";
import { openTun, TUN_PREFIX } from "../../../linux/tun/tun.js";
import { closeTun, type PacketDevice, type TunHandle } from "./device.js";
import { PlainDevice } from "./plain-device.js";
import { RingDevice } from "./ring-device.js";
import { openQueue, type SharedTun } from "./shared-tun.js";

/** Settings of one worker's device, as plain data. */
export interface DevicePlan {
  /** Address blocks that are routed to the device. */
  readonly routes: readonly Prefix[];
  readonly mtu: number;
  /** Maximum number of packets that can wait for the worker. Others are dropped. */
  readonly txQueueLength: number;
  /** Undefined if no other thread uses the device. */
  readonly shared?: SharedTun | undefined;
}

const RUNNING_WAIT_MS = 10_000;
const RUNNING_POLL_MS = 2;

/**
 * @param fallback tells whether a device without io_uring has replaced one whose memory cannot be locked; undefined if
 *   it must not
 * @returns a negative errno; -EEXIST if addresses of the blocks are routed to another run's device
 */
export function openDevice(
  plan: DevicePlan,
  usesUring: boolean,
  wakeFd: number,
  fallback?: { isUsed: boolean },
): PacketDevice | number {
  const tun = plan.shared ? openQueue(plan.shared, (index) => setUp(plan, index)) : openOwn(plan);
  if (typeof tun === "number") return tun;
  // Packets that the kernel sends by itself while the device comes up, such as those of IPv6, are dropped.
  const droppedBefore = tun.isFirst ? readDroppedPackets(tun.index) : 0;
  const { mtu, shared, routes } = plan;
  const handle: TunHandle = { ...tun, droppedBefore, wakeFd, mtu, shared, routes };
  let device = (usesUring ? RingDevice : PlainDevice).open(handle);
  if (device === -ENOMEM && usesUring && fallback) {
    fallback.isUsed = true;
    device = PlainDevice.open(handle);
  }
  // The other threads end only when they hear of the failure.
  if (typeof device === "number") closeTun(handle, false);
  return device;
}

function openOwn(plan: DevicePlan): Pick<TunHandle, "fd" | "index" | "isFirst"> | number {
  const tun = openTun();
  if (typeof tun === "number") return tun;
  const index = interfaceIndex(tun.name);
  const failed = setUp(plan, index);
  if (failed === 0) return { fd: tun.fd, index, isFirst: true };
  libc.close(tun.fd);
  return failed;
}

/** Brings a device up with its routes, and waits until it is running. @returns 0 or a negative errno */
function setUp({ routes, mtu, txQueueLength }: DevicePlan, index: number): number {
  // Packets from this device may leave for other hosts (IPv4). Where /proc/sys is read-only, the device inherits the
  // setting, and IPv6 has no such setting for a single interface.
  writeSysctl(`net.ipv4.conf.${interfacePart(interfaceName(index) ?? "")}.forwarding`, "1");
  const failed = setLinkUp(index, mtu, txQueueLength);
  if (failed < 0) return failed;
  for (const prefix of routes) {
    const refused = addRoute(prefix, index);
    if (refused < 0) return refused;
  }
  return isClaimed(routes, index) ? -EEXIST : waitUntilRunning(index);
}

/** Returns whether another run's device has some of the addresses: both runs may have found them free. */
function isClaimed(routes: readonly Prefix[], index: number): boolean {
  const [{ first } = { first: { family: 4 as const } }] = routes;
  const others = (readRoutes(first.family) ?? []).filter(
    (route) => route.index !== index && interfaceName(route.index)?.startsWith(TUN_PREFIX),
  );
  return others.some((other) => routes.some((route) => overlaps(route, other)));
}

/**
 * Until the device is up, packets sent to it vanish. The kernel may take seconds if many interfaces
 * are changing.
 */
function waitUntilRunning(index: number): number {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const endMs = performance.now() + RUNNING_WAIT_MS;
  while (!isLinkRunning(index)) {
    if (performance.now() > endMs) return -ENETDOWN;
    Atomics.wait(clock, 0, 0, RUNNING_POLL_MS);
  }
  return 0;
}
