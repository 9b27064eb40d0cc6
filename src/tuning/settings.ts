// Lists the settings that --apply can write and --undo may revert, with the format of their values.
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

export function isSetting(name: string): boolean {
  return name === RESERVED_PORTS || Object.hasOwn(NUMBERS, name);
}

/** Returns whether a value has the format of this setting. */
export function isValueOf(name: string, value: string): boolean {
  if (name === RESERVED_PORTS) {
    const ports = value.match(/\d+/g) ?? [];
    return PORT_LIST.test(value) && ports.every((port) => Number(port) <= MAX_PORT);
  }
  if (!Object.hasOwn(NUMBERS, name)) return false;
  const words = value.trim().split(/\s+/);
  return words.length === NUMBERS[name] && words.every((word) => ONE.test(word));
}
