// TUN devices (Documentation/networking/tuntap.rst): network interfaces whose packets a program reads and writes.
// A device lives as long as its descriptor.
import { closeSync, constants, openSync } from "node:fs";
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";

const PATH = "/dev/net/tun";
const O_RDWR = 2;
const O_NONBLOCK = 0x800;
const O_CLOEXEC = 0x80000;
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const IFF_TUN = 0x1;
const IFF_MULTI_QUEUE = 0x100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const TUN_F_CSUM = 1;
/** struct ifreq: a name, then a union. */
const IFREQ = { bytes: 40, name: 16, flags: 16 } as const;
/** Devices' names begin with this. */
export const TUN_PREFIX = "fourtuple";
/** The kernel replaces %d by the first free number. */
const NAME = `${TUN_PREFIX}%d`;

/** struct virtio_net_hdr, which precedes each packet. */
export const VNET_HEADER = { bytes: 10, flags: 0, checksumStart: 6, checksumOffset: 8 } as const;
/** VIRTIO_NET_HDR_F_…: the checksum is still to be completed; it has been verified. */
export const VNET_FLAG = { needsChecksum: 1, dataValid: 2 } as const;

export interface TunDevice {
  readonly fd: number;
  readonly name: string;
}

/**
 * Makes a device. In both directions, packets start with a VNET_HEADER, and their TCP checksum covers the
 * pseudo-header only.
 *
 * @param hasQueues whether the device can have several queues, each with a descriptor of its own
 * @param name of a device that gets another queue; by default, a new device is made
 * @returns a negative errno: -ENOENT without /dev/net/tun, -EACCES or -EPERM without permission
 */
export function openTun(hasQueues = false, name = NAME): TunDevice | number {
  const path = NativeBuffer.from(Buffer.from(`${PATH}\0`));
  const fd = libc.open(path.address, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -lastErrno();
  const request = new NativeBuffer(IFREQ.bytes);
  request.bytes.write(name);
  const flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (hasQueues ? IFF_MULTI_QUEUE : 0);
  request.bytes.writeUInt16LE(flags, IFREQ.flags);
  if (libc.ioctl(fd, TUNSETIFF, request.address) < 0 || libc.ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM) < 0) {
    const errno = lastErrno();
    libc.close(fd);
    return -errno;
  }
  return { fd, name: request.bytes.toString("latin1", 0, IFREQ.name).replace(/\0.*$/s, "") };
}

/** What prevents a process from creating a device. */
export interface TunObstacle {
  readonly errno: number;
  /** Whether the process may open /dev/net/tun, and lacks only CAP_NET_ADMIN in its network namespace. */
  readonly mayOpen: boolean;
}

/** Creates a device briefly to find out whether that is possible. @returns undefined if it is */
export function tunObstacle(): TunObstacle | undefined {
  const device = openTun();
  if (typeof device === "number") return { errno: -device, mayOpen: canOpen() };
  libc.close(device.fd);
  return undefined;
}

function canOpen(): boolean {
  try {
    closeSync(openSync(PATH, constants.O_RDWR));
    return true;
  } catch {
    return false;
  }
}
