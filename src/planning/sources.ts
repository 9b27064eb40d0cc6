// Examines source addresses: checks which given addresses are local, finds the one that the kernel would use for a
// destination, or determines why there is none. It sends no packets.

import { type Block, readLocalBlocks } from "../linux/netlink/local-blocks.js";
import {
  ADDRESS_FLAG,
  type HostAddress,
  isLocalRoute,
  readHostAddresses,
  readNetDevices,
} from "../linux/netlink/rtnetlink.js";
import { readSysctlNumbers } from "../linux/proc/sysctl.js";
import { EADDRNOTAVAIL, EAFNOSUPPORT, EHOSTUNREACH, ENETUNREACH, errnoName } from "../linux/syscalls/errno.js";
import { SocketAddress } from "../linux/syscalls/sockaddr.js";
import {
  bindTo,
  closeFd,
  connectTo,
  delayPortChoice,
  localAddress,
  openTcp,
  openUdp,
} from "../linux/syscalls/socket.js";
import type { BadSource } from "../results/peer.js";
import { addToIp, type Family, formatIp, type IpAddress, isLinkLocal, isLoopback, parseIp } from "../util/address.js";
import type { AddressRange } from "../util/address-range.js";

export interface CheckedSources {
  /** Usable addresses, in the order given. */
  readonly good: readonly AddressRange[];
  /** The first few unusable addresses. */
  readonly bad: readonly BadSource[];
  readonly badCount: number;
}

/** Result when no source addresses were given. */
export const NO_BAD_SOURCES: CheckedSources = { good: [], bad: [], badCount: 0 };

const NAMED = 8;
/** Number of addresses above which reading the routing table pays off, because it covers entire blocks. */
const WORTH_THE_TABLE = 1024;
/**
 * Number of consecutive failures after which the rest of a range is skipped, except for blocks in the routing table.
 */
const HOPELESS = 2 ** 17;
const DISABLED = ["net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6"] as const;

/** Tries to bind each address outside the blocks that are entirely local. */
export function checkSources(ranges: readonly AddressRange[]): CheckedSources {
  const good: AddressRange[] = [];
  const bad: BadSource[] = [];
  let badCount = 0;
  const isLarge = ranges.some(({ first, count }) => first.family === 4 && count >= WORTH_THE_TABLE);
  const blocks = isLarge ? readLocalBlocks() : [];
  using trials = new BindTrials();
  for (const { first, count } of ranges) {
    let goodFrom = 0;
    let failed = 0;
    const keep = (to: number) => {
      if (to > goodFrom) good.push({ first: addToIp(first, goodFrom), count: to - goodFrom });
    };
    for (let i = 0; i < count; ) {
      const sure = localFrom(first, i, blocks);
      const error = sure > 0 ? 0 : failed < HOPELESS ? trials.try(addToIp(first, i)) : -EADDRNOTAVAIL;
      if (error === 0) {
        failed = 0;
        i += Math.max(1, sure);
        continue;
      }
      keep(i);
      if (bad.length < NAMED) bad.push(whyNoSource(addToIp(first, i), -error));
      badCount++;
      failed++;
      goodFrom = ++i;
    }
    keep(count);
  }
  return { good, bad, badCount };
}

/** Returns how many addresses from index `offset` of a range lie in one local block. */
function localFrom({ family, bytes }: IpAddress, offset: number, blocks: readonly Block[]): number {
  if (family !== 4 || blocks.length === 0) return 0;
  const address = bytes.reduce((sum, byte) => sum * 256 + byte, 0) + offset;
  const block = blocks.find(({ first, last }) => address >= first && address <= last);
  return block ? block.last - address + 1 : 0;
}

/**
 * Binds without a port. One socket can therefore be used to try address after address, even those whose ports are
 * exhausted.
 */
class BindTrials {
  private readonly fds = new Map<Family, number>();
  private readonly isNonlocal = new Map<Family, boolean>();

  /** @returns 0, or a negative errno */
  try(ip: IpAddress): number {
    const fd = this.open(ip.family);
    if (fd < 0) return fd;
    const bound = bindTo(fd, new SocketAddress(ip, 0));
    if (bound < 0) return bound;
    // With ip_nonlocal_bind, any address can be bound, but connect() later fails with EINVAL.
    return !this.allowsAny(ip.family) || ip.zone !== undefined || isLocalRoute(ip) ? 0 : -EADDRNOTAVAIL;
  }

  [Symbol.dispose](): void {
    for (const fd of this.fds.values()) closeFd(fd);
  }

  private open(family: Family): number {
    const known = this.fds.get(family);
    if (known !== undefined) return known;
    const fd = openTcp(family);
    if (fd >= 0) {
      delayPortChoice(fd);
      this.fds.set(family, fd);
    }
    return fd;
  }

  private allowsAny(family: Family): boolean {
    const known = this.isNonlocal.get(family);
    if (known !== undefined) return known;
    const setting = readSysctlNumbers(`net.ipv${family}.ip_nonlocal_bind`)?.[0];
    this.isNonlocal.set(family, setting === 1);
    return setting === 1;
  }
}

/**
 * @param errno result of bind()
 */
export function whyNoSource(ip: IpAddress, errno: number): BadSource {
  const text = formatIp(ip);
  if (errno === EAFNOSUPPORT) return { ip: text, problem: "family-disabled", detail: errnoName(errno) };
  if (errno !== EADDRNOTAVAIL) return { ip: text, problem: "refused", detail: errnoName(errno) };
  const { zone: _, ...bare } = ip;
  const held = (readHostAddresses() ?? []).find((each) => formatIp(each.ip) === formatIp(bare));
  if (held) return { ip: text, ...problemOf(held) };
  const disabled = ip.family === 6 ? disabledBy() : undefined;
  if (disabled) return { ip: text, problem: "family-disabled", detail: disabled };
  if (ip.family === 6 && isLocalRoute(ip)) return { ip: text, problem: "nonlocal" };
  return { ip: text, problem: "absent" };
}

/**
 * Returns the source address that the kernel would use for `ip`, or why there is none. Connecting a UDP socket sends
 * nothing.
 *
 * @param from source address, if already chosen, because routes may depend on it
 */
export function routeSource(ip: IpAddress, from?: IpAddress): IpAddress | BadSource {
  const fd = openUdp(ip.family);
  if (fd < 0) return whyNoRoute(ip, -fd);
  if (from) bindTo(fd, new SocketAddress(from, 0));
  try {
    const result = connectTo(fd, new SocketAddress(ip, 9));
    if (result < 0) return whyNoRoute(ip, -result);
    const source = parseIp(localAddress(fd).ip);
    // If there is no other IPv6 address, the kernel selects ::1, to which no reply can return.
    const isLost = source.family === 6 && isLoopback(source) && !isLocalRoute(ip);
    return isLost ? whyNoRoute(ip, EADDRNOTAVAIL) : source;
  } finally {
    closeFd(fd);
  }
}

export function isSource(found: IpAddress | BadSource): found is IpAddress {
  return "family" in found;
}

/** Returns whether no packet can be sent to the destination, so that connect() fails at once for every socket. */
export function isHopeless({ problem }: BadSource): boolean {
  return problem !== "no-route" && problem !== "refused";
}

/**
 * @param errno result of connect() on an unbound socket
 */
function whyNoRoute(ip: IpAddress, errno: number): BadSource {
  const text = formatIp(ip);
  if (errno === EAFNOSUPPORT) return { ip: text, problem: "family-disabled", detail: errnoName(errno) };
  const down = deviceDown(ip);
  if (down !== undefined) return { ip: text, problem: "interface-down", detail: down };
  if (errno === ENETUNREACH || errno === EHOSTUNREACH)
    return { ip: text, problem: "no-route", detail: errnoName(errno) };
  if (errno !== EADDRNOTAVAIL) return { ip: text, problem: "refused", detail: errnoName(errno) };
  const disabled = ip.family === 6 ? disabledBy() : undefined;
  if (disabled) return { ip: text, problem: "family-disabled", detail: disabled };
  // Suitable addresses exist, but none of them may be used.
  const reaches = (source: IpAddress) =>
    source.family === ip.family && isLoopback(source) === isLoopback(ip) && isLinkLocal(source) === isLinkLocal(ip);
  const unusable = (readHostAddresses() ?? []).find((each) => reaches(each.ip) && problemOf(each).problem !== "absent");
  return unusable ? { ip: text, ...problemOf(unusable) } : { ip: text, problem: "absent" };
}

function problemOf({ flags, index }: HostAddress): Pick<BadSource, "problem" | "detail"> {
  const link = readNetDevices()?.find((each) => each.index === index);
  const detail = link?.name;
  if (flags & ADDRESS_FLAG.dadFailed) return { problem: "duplicate", detail };
  if (flags & ADDRESS_FLAG.tentative) return { problem: "tentative", detail };
  return link?.isUp === false ? { problem: "interface-down", detail } : { problem: "absent" };
}

/** Returns the interface that leads to the address but is down; undefined if there is none. */
function deviceDown(ip: IpAddress): string | undefined {
  const down = (readNetDevices() ?? []).filter(({ isUp }) => !isUp);
  if (isLoopback(ip)) return down.find((link) => link.isLoopback)?.name;
  const holder = (readHostAddresses() ?? []).find(
    (each) => isInNetwork(ip, each) && down.some(({ index }) => index === each.index),
  );
  return down.find(({ index }) => index === holder?.index)?.name;
}

function isInNetwork({ family, bytes }: IpAddress, { ip, prefixBits }: HostAddress): boolean {
  const whole = prefixBits >>> 3;
  const rest = 8 - (prefixBits & 7);
  return (
    family === ip.family &&
    bytes.subarray(0, whole).every((byte, i) => byte === ip.bytes[i]) &&
    (rest === 8 || bytes[whole]! >>> rest === ip.bytes[whole]! >>> rest)
  );
}

/** Returns the setting that disables IPv6; undefined if there is none. */
function disabledBy(): string | undefined {
  return DISABLED.find((name) => readSysctlNumbers(name)?.[0] === 1);
}
