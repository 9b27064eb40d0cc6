// The speed of a network interface, as its driver tells it (/sys/class/net/DEVICE/speed, in Mbit/s).
import { readText } from "./procfs.js";

/** The interface of the IPv4 route to everywhere; undefined when there is none. */
export function readDefaultDevice(): string | undefined {
  // Iface, Destination, …: the route to everywhere has the destination 0.
  return /^(\S+)\t0{8}\t/m.exec(readText("/proc/net/route") ?? "")?.[1];
}

/** @returns bits per second; undefined for loopback, and where the driver does not say */
export function readLinkSpeed(device: string): number | undefined {
  const megabits = Number(readText(`/sys/class/net/${device}/speed`));
  // A link that is down says -1.
  return megabits > 0 ? megabits * 1e6 : undefined;
}
