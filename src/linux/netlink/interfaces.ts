// This host's own addresses: out of rtnetlink, which a hardened container may refuse; one address, by a bind.
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { type IpAddress, parseIp } from "../../util/address.js";
import { readSysctlNumbers } from "../proc/sysctl.js";
import { SocketAddress } from "../syscalls/sockaddr.js";
import { bindTo, closeFd, delayPortChoice, openTcp } from "../syscalls/socket.js";

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Interfaces by their names; undefined when they may not be read. */
export function readInterfaces(): Interfaces | undefined {
  try {
    return networkInterfaces();
  } catch {
    return undefined;
  }
}

/** One of an interface's addresses, a link-local one with its zone. @param name the interface's */
export function addressOf({ address, scopeid }: NetworkInterfaceInfo, name: string): IpAddress {
  const ip = parseIp(address);
  return scopeid ? { ...ip, zone: name } : ip;
}

/** Whether the kernel has this address for its own; false also where it lets anything be bound (ip_nonlocal_bind). */
export function canBind(ip: IpAddress): boolean {
  const setting = ip.family === 4 ? "net.ipv4.ip_nonlocal_bind" : "net.ipv6.ip_nonlocal_bind";
  if (readSysctlNumbers(setting)?.[0] !== 0) return false;
  const fd = openTcp(ip.family);
  if (fd < 0) return false;
  delayPortChoice(fd);
  const bound = bindTo(fd, new SocketAddress(ip, 0));
  closeFd(fd);
  return bound >= 0;
}
