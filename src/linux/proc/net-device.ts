// Reads the link speed of a network interface as reported by its driver (/sys/class/net/DEVICE/speed,
// in Mbit/s).
import { readText } from "./procfs.js";

/** Returns the interface of the default IPv4 route; undefined if there is none. */
export function readDefaultDevice(): string | undefined {
  // Iface, Destination, …: the default route has destination 0.
  return /^(\S+)\t0{8}\t/m.exec(readText("/proc/net/route") ?? "")?.[1];
}

/** @returns bits per second; undefined for loopback, or if the driver does not report it */
export function readLinkSpeed(device: string): number | undefined {
  const megabits = Number(readText(`/sys/class/net/${device}/speed`));
  // The driver of a link that is down reports -1.
  return megabits > 0 ? megabits * 1e6 : undefined;
}
