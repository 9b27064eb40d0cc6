// Decides how packets of a run without kernel sockets get to other hosts and back, and which settings of this host that
// needs. There are three ways: `host` stays on this host, `routed` relies on a router that sends packets for the source
// addresses here, and `same-link` has this host answer for spare addresses of its own network (proxy ARP, proxy NDP).

import { MOST_PROXIED, PROXIED, proxySetting, readProxySetting } from "../../linux/neighbours/proxies.js";
import { readRoutes } from "../../linux/netlink/link-changes.js";
import { readNetDevices, routeTo } from "../../linux/netlink/rtnetlink.js";
import { interfacePart, readSysctl } from "../../linux/proc/sysctl.js";
import { interfaceName } from "../../linux/syscalls/interface-names.js";
import type { NETWORK_WAYS, SETTING_REASONS } from "../../results/identifiers.js";
import { type Family, formatIp, type IpAddress } from "../../util/address.js";
import type { AddressRange } from "../../util/address-range.js";
import { AppError } from "../../util/errors.js";
import { formatCount, plural } from "../../util/units.js";
import { blocksOf, formatBlock, MOST_MTU } from "./plan.js";
import type { OnLinkRange } from "./sources.js";

/** A setting of this host, and the value that a run needs. */
export interface NeededSetting {
  /** Name of a sysctl, or of proxySetting(). */
  readonly name: string;
  /** Current value. */
  readonly from: string;
  readonly to: string;
  /** Why the run needs it. */
  readonly why: (typeof SETTING_REASONS)[number];
}

export interface NetworkPlan {
  readonly way: (typeof NETWORK_WAYS)[number];
  readonly sources: readonly AddressRange[];
  /** Interfaces that lead to the other ends, by name. */
  readonly links: readonly string[];
  /** MTU of the run's devices: peers must send no packets that a link drops. */
  readonly mtu: number;
  /** Source addresses for which this host has to answer. */
  readonly onLink: readonly OnLinkRange[];
  /** Settings that must hold during the run, in the order in which they are to be made. */
  readonly settings: readonly NeededSetting[];
  /** Other settings, now 1, that become 0 when these are reverted, and must be set to 1 again. */
  readonly resets: readonly string[];
  /** Whether the run also makes sense without them: a server may have clients on this host. */
  readonly isOptional: boolean;
}

export interface NetworkQuestion {
  /** Addresses without kernel sockets: a client's sources, or a server's addresses. */
  readonly sources: readonly AddressRange[];
  /** Addresses that a client connects to; undefined for a server, whose clients may be anywhere. */
  readonly destinations: readonly IpAddress[] | undefined;
  /** Those of the sources that are in the network of a link. */
  readonly onLink: readonly OnLinkRange[];
}

const FORWARDING_V6 = "net.ipv6.conf.all.forwarding";
/** RTN_LOCAL in linux/rtnetlink.h. */
const RTN_LOCAL = 2;
/** Maximum number of destinations to look up: a run may have many, but they share a few routes. */
const LOOKED_UP = 1024;

/** @throws {AppError} E_SOURCE if there are too many addresses to answer for */
export function planNetwork({ sources, destinations, onLink }: NetworkQuestion): NetworkPlan {
  assertFew(onLink);
  const family = sources[0]?.first.family ?? 4;
  const links = destinations ? linksTo(destinations, onLink) : allLinks();
  const settings = links.length === 0 ? [] : [...forwarding(family, links), ...answering(family, onLink)];
  return {
    way: onLink.length > 0 ? "same-link" : links.length > 0 ? "routed" : "host",
    sources,
    links,
    mtu: mtuOf(links),
    onLink,
    settings,
    resets: settings.some(({ name, from }) => name === FORWARDING_V6 && from === "0") ? routersV6() : [],
    isOptional: destinations === undefined && onLink.length === 0,
  };
}

/** Returns the settings of a plan that do not have the needed value. */
export function missingSettings({ settings }: Pick<NetworkPlan, "settings">): NeededSetting[] {
  return settings.filter(({ from, to }) => from !== to);
}

/** Returns the number of addresses in networks of links. A range may be in those of several links. */
export function countOnLink(onLink: NetworkPlan["onLink"]): number {
  return [...new Set(onLink.map(({ range }) => range))].reduce((sum, { count }) => sum + count, 0);
}

/** @throws {AppError} E_OPTION if the plan needs changes to this host */
export function refuseChanges(plan: NetworkPlan): void {
  const missing = missingSettings(plan);
  if (missing.length === 0 || plan.isOptional) return;
  const list = missing.map(({ name, from, to }) => `${name} (${from} → ${to})`).join(", ");
  const whole = plan.sources.flatMap(blocksOf).map(formatBlock);
  const blocks = whole.length > 3 ? `${whole.slice(0, 3).join(", ")} and others` : whole.join(", ");
  throw new AppError(
    "E_OPTION",
    `packets between ${blocks} and other hosts need ${missing.length === 1 ? "a change" : plural(missing.length, "change")} to this host: ${list}`,
    { fix: "add --apply, which makes such changes until the end of the run" },
  );
}

/** Returns the interfaces towards destinations on other hosts, and those of the ranges on a link. */
function linksTo(destinations: readonly IpAddress[], onLink: readonly OnLinkRange[]): string[] {
  const found = new Set(onLink.map(({ index }) => index));
  const ips = [...new Map(destinations.map((each) => [formatIp(each), each])).values()];
  for (const ip of ips.slice(0, LOOKED_UP)) {
    const route = routeTo(ip);
    if (typeof route === "object" && route.type !== RTN_LOCAL) found.add(route.interfaceIndex);
  }
  return [...found].flatMap((index) => interfaceName(index) ?? []);
}

/** Returns the interfaces through which clients of a server may reach this host. */
function allLinks(): string[] {
  return (readNetDevices() ?? []).filter(({ isUp, resolves }) => isUp && resolves).map(({ name }) => name);
}

/** Returns the smallest MTU of the links, or MOST_MTU if that is smaller. */
function mtuOf(links: readonly string[]): number {
  const found = (readNetDevices() ?? []).filter(({ name, mtu }) => mtu > 0 && links.includes(name));
  return Math.min(MOST_MTU, ...found.map(({ mtu }) => mtu));
}

/** Returns the settings with which the kernel forwards between the links and the run's devices. */
function forwarding(family: Family, links: readonly string[]): NeededSetting[] {
  // The kernel checks the interface that a packet arrives on. The run's own devices forward anyway.
  if (family === 4)
    return links.flatMap((link) => sysctl(`net.ipv4.conf.${interfacePart(link)}.forwarding`, "1", "forwarding"));
  // IPv6 has one switch for all interfaces. It makes this host a router, which removes routes that routers have
  // announced, unless accept_ra is 2.
  const announced = new Set(readRoutes(6)?.flatMap(({ index, isAnnounced }) => (isAnnounced ? [index] : [])));
  const listeners = (readNetDevices() ?? []).filter(({ index }) => announced.has(index));
  const keeps = listeners.flatMap(({ name }) => {
    const setting = `net.ipv6.conf.${interfacePart(name)}.accept_ra`;
    return readSysctl(setting) === "1" ? sysctl(setting, "2", "announced-routes") : [];
  });
  return [...keeps, ...sysctl(FORWARDING_V6, "1", "forwarding")];
}

/** Returns the settings of single interfaces that FORWARDING_V6 overwrites when it changes, and that are 1. */
function routersV6(): string[] {
  const names = ["default", ...(readNetDevices() ?? []).map(({ name }) => name)];
  const settings = names.map((name) => `net.ipv6.conf.${interfacePart(name)}.forwarding`);
  return settings.filter((setting) => readSysctl(setting) === "1");
}

/** Returns the settings with which the kernel answers for addresses of the links. */
function answering(family: Family, onLink: readonly OnLinkRange[]): NeededSetting[] {
  const named = onLink.flatMap(({ range, index }) => {
    const link = interfaceName(index);
    return link === undefined ? [] : [{ range, link }];
  });
  const parts = [...new Set(named.map(({ link }) => interfacePart(link)))];
  return [
    ...parts.flatMap((part) => sysctl(`net.ipv${family}.neigh.${part}.proxy_delay`, "0", "answer-at-once")),
    ...(family === 4 ? [] : parts.flatMap((part) => sysctl(`net.ipv6.conf.${part}.proxy_ndp`, "1", "answer"))),
    ...named.map(({ range, link }) => {
      const name = proxySetting(range, link);
      return { name, from: readProxySetting(name) ?? PROXIED.no, to: PROXIED.yes, why: "answer" as const };
    }),
  ];
}

/** @returns none if the setting does not exist or cannot be read */
function sysctl(name: string, to: string, why: NeededSetting["why"]): NeededSetting[] {
  const from = readSysctl(name);
  return from === undefined ? [] : [{ name, from, to, why }];
}

function assertFew(onLink: readonly OnLinkRange[]): void {
  const count = countOnLink(onLink);
  if (count <= MOST_PROXIED) return;
  throw new AppError(
    "E_SOURCE",
    `this host can answer for at most ${formatCount(MOST_PROXIED)} addresses of its own network, not ${formatCount(count)}`,
    {
      fix: "use fewer addresses, each of which has tens of thousands of ports, or a block that a router sends to this host",
    },
  );
}
