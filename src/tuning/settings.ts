// Lists the settings that --apply can write and --undo may revert, with the format of their values.
import { PROXIED, parseProxySetting } from "../linux/neighbours/proxies.js";
import { PORT_RANGE, RESERVED_PORTS } from "./value.js";

const ONE = /^\d{1,19}$/;
const PORT_LIST = /^(?:\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*)?$/;
const MAX_PORT = 65_535;

/** Number of integers in the value of each setting. */
const NUMBERS: Readonly<Record<string, number>> = {
  "fs.epoll.max_user_watches": 1,
  "fs.file-max": 1,
  "fs.nr_open": 1,
  "kernel.threads-max": 1,
  "net.core.somaxconn": 1,
  "net.ipv4.neigh.default.gc_thresh3": 1,
  "net.ipv4.tcp_max_syn_backlog": 1,
  "net.ipv4.tcp_mem": 3,
  "net.netfilter.nf_conntrack_buckets": 1,
  "net.netfilter.nf_conntrack_max": 1,
  [PORT_RANGE]: 2,
};

/** Settings of an interface, each of one number. A slash in the interface's name stands for a dot. */
const LINK = "[\\w@:-]{1,15}(?:/[\\w@:-]{1,15})*";
const INTERFACE_SETTING = new RegExp(
  [`ipv4\\.conf\\.${LINK}\\.forwarding`, `ipv6\\.conf\\.${LINK}\\.(?:forwarding|accept_ra|proxy_ndp)`]
    .concat(`ipv[46]\\.neigh\\.${LINK}\\.proxy_delay`)
    .map((setting) => `^net\\.${setting}$`)
    .join("|"),
);

export function isSetting(name: string): boolean {
  return name === RESERVED_PORTS || numbersOf(name) > 0 || parseProxySetting(name) !== undefined;
}

/** Returns whether each network namespace has this setting separately. */
export function isOfNamespace(name: string): boolean {
  return name.startsWith("net.") || parseProxySetting(name) !== undefined;
}

/** Returns the interface that a setting is about; undefined for a setting of no single interface. */
export function interfaceOf(name: string): string | undefined {
  const proxied = parseProxySetting(name);
  if (proxied) return proxied.interface;
  const part = INTERFACE_SETTING.test(name) ? name.split(".").at(-2) : undefined;
  return part === "all" ? undefined : part?.replaceAll("/", ".");
}

/** Returns whether a value has the format of this setting. */
export function isValueOf(name: string, value: string): boolean {
  if (name === RESERVED_PORTS) {
    const ports = value.match(/\d+/g) ?? [];
    return PORT_LIST.test(value) && ports.every((port) => Number(port) <= MAX_PORT);
  }
  if (parseProxySetting(name)) return value === PROXIED.yes || value === PROXIED.no;
  const words = value.trim().split(/\s+/);
  return words.length === numbersOf(name) && words.every((word) => ONE.test(word));
}

/** Returns the number of integers in the value of a setting; 0 for other settings. */
function numbersOf(name: string): number {
  if (Object.hasOwn(NUMBERS, name)) return NUMBERS[name]!;
  return INTERFACE_SETTING.test(name) ? 1 : 0;
}
