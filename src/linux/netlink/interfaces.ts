// Determines this host's local addresses: all of them via rtnetlink, which hardened containers may refuse, or a single
// one by trying to bind it.
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { type IpAddress, parseIp } from "../../util/address.js";
import { readSysctlNumbers } from "../proc/sysctl.js";
import { SocketAddress } from "../syscalls/sockaddr.js";
import { bindTo, closeFd, delayPortChoice, openTcp } from "../syscalls/socket.js";

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Returns interfaces by name; undefined if they cannot be read. */
export function readInterfaces(): Interfaces | undefined {
  try {
    return networkInterfaces();
  } catch {
    return undefined;
  }
}

/**
 * Returns an address of an interface, with a zone if it is link-local.
 * @param name the interface's name
 */
export function addressOf({ address, scopeid }: NetworkInterfaceInfo, name: string): IpAddress {
  const ip = parseIp(address);
  return scopeid ? { ...ip, zone: name } : ip;
}

/**
 * Returns whether an address is local. The result is also false if the kernel allows binding any address
 * (ip_nonlocal_bind).
 */
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
