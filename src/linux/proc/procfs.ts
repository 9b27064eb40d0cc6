// Reads counters and memory figures from /proc. Values that cannot be read are undefined, never estimated.
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

const OWN_DESCRIPTORS = "/proc/thread-self/fd";
/** linux/auxvec.h */
const AT_PAGESZ = 6n;

/** Reads a file; returns undefined if it does not exist or access is denied. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Returns /proc/meminfo in bytes, by kernel name: `MemAvailable`, `Slab`. */
export function readMeminfo(): Record<string, number> {
  const fields: Record<string, number> = {};
  for (const line of (readText("/proc/meminfo") ?? "").split("\n")) {
    const colon = line.indexOf(":");
    if (line.endsWith(" kB")) fields[line.slice(0, colon)] = Number(line.slice(colon + 1, -3)) * 1024;
  }
  return fields;
}

/**
 * Returns /proc/net/sockstat and sockstat6: `TCP.inuse`, `TCP.orphan`, `TCP.tw`, `TCP.mem` (pages), `TCP6.inuse`,
 * `sockets.used`. `TCP.alloc` and `TCP.mem` are those of all network namespaces.
 */
export function readSockstat(): Record<string, number> {
  const fields: Record<string, number> = {};
  const text = (readText("/proc/net/sockstat") ?? "") + (readText("/proc/net/sockstat6") ?? "");
  for (const line of text.split("\n")) {
    const [protocol, pairs] = line.split(": ", 2);
    const words = (pairs ?? "").split(" ");
    for (let i = 0; i + 1 < words.length; i += 2) fields[`${protocol}.${words[i]}`] = Number(words[i + 1]);
  }
  return fields;
}

/**
 * Returns the number of sockets of this network namespace that are in their protocol's table (/proc/net/protocols). TCP
 * and UDP sockets enter it when they listen or connect, or are bound, respectively; AF_UNIX and AF_NETLINK sockets at once.
 */
export function countHashedSockets(): number {
  let sockets = 0;
  for (const [, count] of (readText("/proc/net/protocols") ?? "").matchAll(/^\S+\s+\d+\s+(\d+)/gm))
    sockets += Number(count);
  return sockets;
}

/** Returns /proc/net/netstat, snmp and snmp6: `TcpExt.ListenOverflows`, `Tcp.RetransSegs`, `Icmp6.InDestUnreachs`. */
export function readNetCounters(): Record<string, number> {
  const fields = { ...readPairedLines("/proc/net/netstat"), ...readPairedLines("/proc/net/snmp") };
  for (const [, group, name, value] of (readText("/proc/net/snmp6") ?? "").matchAll(
    /^([A-Z][a-z]+6)(\w+)\s+(\d+)$/gm,
  )) {
    fields[`${group}.${name}`] = Number(value);
  }
  return fields;
}

/** Returns the group Tcp of /proc/net/snmp: `Tcp.CurrEstab`. */
export function readTcpCounters(): Record<string, number> {
  return readPairedLines("/proc/net/snmp", "Tcp");
}

/** Returns the group TcpExt of /proc/net/netstat: `TcpExt.ListenDrops`. */
export function readTcpExtensions(): Record<string, number> {
  return readPairedLines("/proc/net/netstat", "TcpExt");
}

/**
 * Parses pairs of lines, names followed by values, both starting with the group's name.
 * @param group if given, parses only this group's lines
 */
function readPairedLines(path: string, group?: string): Record<string, number> {
  const fields: Record<string, number> = {};
  const lines = (readText(path) ?? "").trim().split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) {
    if (group !== undefined && !lines[i]!.startsWith(`${group}: `)) continue;
    const names = lines[i]!.split(" ");
    const values = lines[i + 1]!.split(" ");
    for (let k = 1; k < names.length; k++) fields[`${names[0]!.slice(0, -1)}.${names[k]}`] = Number(values[k]);
  }
  return fields;
}

/** Returns the number of threads of all processes on the host: the number after the slash in /proc/loadavg. */
export function readThreadCount(): number | undefined {
  const total = /\/(\d+)/.exec(readText("/proc/loadavg") ?? "")?.[1];
  return total === undefined ? undefined : Number(total);
}

/** Returns a process's resident memory in bytes; undefined if the process has exited. */
export function readResidentBytes(pid: number | "self" = "self"): number | undefined {
  const pages = readText(`/proc/${pid}/statm`)?.split(" ")[1];
  return pages === undefined ? undefined : Number(pages) * pageBytes();
}

/**
 * Returns this process's address space and its limit (RLIMIT_AS) in bytes; Infinity if there is no limit or it cannot
 * be read.
 */
export function readAddressSpace(): { readonly usedBytes: number; readonly limitBytes: number } {
  const pages = Number(readText("/proc/self/statm")?.split(" ")[0] ?? 0);
  const limit = /^Max address space\s+(\d+)/m.exec(readText("/proc/self/limits") ?? "")?.[1];
  return { usedBytes: pages * pageBytes(), limitBytes: limit === undefined ? Number.POSITIVE_INFINITY : Number(limit) };
}

/**
 * Returns the number of descriptors in this thread's table. Without /proc, returns a lower bound: the lowest free
 * number.
 */
export function countOpenDescriptors(): number {
  try {
    // One of the descriptors is that of the directory being read.
    return readdirSync(OWN_DESCRIPTORS).length - 1;
  } catch {
    return lowestFreeDescriptor();
  }
}

/** Returns the names in a directory; empty if it does not exist or cannot be read. */
function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Returns the lowest free number; Infinity if none is free. */
function lowestFreeDescriptor(): number {
  try {
    const fd = openSync("/", "r");
    closeSync(fd);
    return fd;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Returns this thread's descriptors with their targets: `socket:[123]`, `pipe:[4]`, a path. Empty without /proc. */
export function listDescriptors(): { fd: number; target: string }[] {
  return readNames(OWN_DESCRIPTORS).flatMap((fd) => {
    try {
      return [{ fd: Number(fd), target: readlinkSync(`${OWN_DESCRIPTORS}/${fd}`) }];
    } catch {
      // The directory's own descriptor has been closed.
      return [];
    }
  });
}

let knownPageBytes: number | undefined;

/** Kernels for arm64 may use pages of 16 or 64 KiB. The size is in the process's auxiliary vector (getauxval(3)). */
export function pageBytes(): number {
  knownPageBytes ??= readAuxiliary(AT_PAGESZ) ?? 4096;
  return knownPageBytes;
}

/** Returns a value of the auxiliary vector, which consists of pairs of 64-bit words. */
function readAuxiliary(type: bigint): number | undefined {
  try {
    const { buffer, byteOffset, length } = readFileSync("/proc/self/auxv");
    const words = new BigUint64Array(buffer.slice(byteOffset, byteOffset + length));
    const index = words.findIndex((word, at) => at % 2 === 0 && word === type);
    return index < 0 ? undefined : Number(words[index + 1]);
  } catch {
    return undefined;
  }
}
