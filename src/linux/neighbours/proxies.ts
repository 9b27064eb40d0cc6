// Treats the addresses that the kernel answers for on an interface (proxy ARP, proxy NDP) like a setting with a name
// and a value, so that the journal can record and revert them.
import { addToIp, formatIp, type IpAddress, isIp, parseIp, toInteger } from "../../util/address.js";
import type { AddressRange } from "../../util/address-range.js";
import { ENOENT } from "../syscalls/errno.js";
import { interfaceIndex } from "../syscalls/interface-names.js";
import { addProxied, readProxied, removeProxied } from "./table.js";

/** Values of the setting. `present`: at least one of the addresses is answered for. */
export const PROXIED = { yes: "present", no: "absent" } as const;

/** Maximum number of addresses in one setting. */
export const MOST_PROXIED = 1024;

interface Proxied extends AddressRange {
  readonly interface: string;
}

/** Returns the name for a range on an interface, `proxy 10.0.0.5-10.0.0.9 dev eth0`. */
export function proxySetting({ first, count }: AddressRange, link: string): string {
  return `proxy ${formatIp(first)}-${formatIp(addToIp(first, count - 1))} dev ${link}`;
}

/** @returns undefined if the name is not one of proxySetting() */
export function parseProxySetting(name: string): Proxied | undefined {
  const [, from = "", to = "", link = ""] = /^proxy ([\da-f.:]+)-([\da-f.:]+) dev ([^\s/]{1,15})$/.exec(name) ?? [];
  if (!isIp(from) || !isIp(to)) return undefined;
  const [first, last] = [parseIp(from), parseIp(to)];
  const count = Number(toInteger(last) - toInteger(first)) + 1;
  const isRange = first.family === last.family && count >= 1 && count <= MOST_PROXIED;
  return isRange ? { first, count, interface: link } : undefined;
}

/** Returns the value; undefined if there is no such interface or netlink is refused. */
export function readProxySetting(name: string): string | undefined {
  const range = parseProxySetting(name);
  const index = range ? interfaceIndex(range.interface) : 0;
  const found = range && index > 0 ? readProxied(range.first.family) : undefined;
  if (!range || !found) return undefined;
  return found.some((each) => each.index === index && isWithin(range, each.ip)) ? PROXIED.yes : PROXIED.no;
}

/** @returns 0, or the negative errno of the first address that cannot be added or removed */
export function writeProxySetting(name: string, value: string): number {
  const range = parseProxySetting(name);
  if (!range) return -ENOENT;
  const index = interfaceIndex(range.interface);
  if (index === 0) return -ENOENT;
  for (let n = 0; n < range.count; n++) {
    const ip = addToIp(range.first, n);
    const errno = value === PROXIED.yes ? addProxied(ip, index) : removeProxied(ip, index);
    if (errno < 0 && !(value === PROXIED.no && errno === -ENOENT)) return errno;
  }
  return 0;
}

/** Returns whether an address is in a range. */
export function isWithin({ first, count }: AddressRange, ip: IpAddress): boolean {
  if (ip.family !== first.family) return false;
  const offset = toInteger(ip) - toInteger(first);
  return offset >= 0n && offset < BigInt(count);
}
