// Readers of /proc: counters and memory as numbers. What cannot be read is undefined, never a guess.
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

const OWN_DESCRIPTORS = "/proc/thread-self/fd";
/** linux/auxvec.h */
const AT_PAGESZ = 6n;

/** Reads a whole file, or undefined where it does not exist or may not be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** /proc/meminfo in bytes by its own names: `MemAvailable`, `Slab`. */
export function readMeminfo(): Record<string, number> {
  const fields: Record<string, number> = {};
  for (const line of (readText("/proc/meminfo") ?? "").split("\n")) {
    const colon = line.indexOf(":");
    if (line.endsWith(" kB")) fields[line.slice(0, colon)] = Number(line.slice(colon + 1, -3)) * 1024;
  }
  return fields;
}

/** /proc/net/sockstat and sockstat6: `TCP.inuse`, `TCP.orphan`, `TCP.tw`, `TCP.mem` (pages), `TCP6.inuse`. */
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

/** The counters of /proc/net/netstat, snmp and snmp6 as `TcpExt.ListenOverflows`, `Tcp.RetransSegs`, `Icmp6.InDestUnreachs`. */
export function readNetCounters(): Record<string, number> {
  const fields = { ...readPairedLines("/proc/net/netstat"), ...readSnmp() };
  for (const [, group, name, value] of (readText("/proc/net/snmp6") ?? "").matchAll(
    /^([A-Z][a-z]+6)(\w+)\s+(\d+)$/gm,
  )) {
    fields[`${group}.${name}`] = Number(value);
  }
  return fields;
}

/** The counters of /proc/net/snmp alone: `Tcp.CurrEstab`, `Ip.InDelivers`. */
export function readSnmp(): Record<string, number> {
  return readPairedLines("/proc/net/snmp");
}

/** A line of names, then a line of values, both led by the group's name. */
function readPairedLines(path: string): Record<string, number> {
  const fields: Record<string, number> = {};
  const lines = (readText(path) ?? "").trim().split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const names = lines[i]!.split(" ");
    const values = lines[i + 1]!.split(" ");
    for (let k = 1; k < names.length; k++) fields[`${names[0]!.slice(0, -1)}.${names[k]}`] = Number(values[k]);
  }
  return fields;
}

/** Resident memory of a process in bytes, undefined when it is gone. */
export function readResidentBytes(pid: number | "self" = "self"): number | undefined {
  const pages = readText(`/proc/${pid}/statm`)?.split(" ")[1];
  return pages === undefined ? undefined : Number(pages) * pageBytes();
}

/** This process's address space and its limit (RLIMIT_AS) in bytes; no limit is Infinity, and so is one that cannot be read. */
export function readAddressSpace(): { readonly usedBytes: number; readonly limitBytes: number } {
  const pages = Number(readText("/proc/self/statm")?.split(" ")[0] ?? 0);
  const limit = /^Max address space\s+(\d+)/m.exec(readText("/proc/self/limits") ?? "")?.[1];
  return { usedBytes: pages * pageBytes(), limitBytes: limit === undefined ? Number.POSITIVE_INFINITY : Number(limit) };
}

/** Descriptors in this thread's table; where /proc is not to be had, the lowest free number, which is at most as many. */
export function countOpenDescriptors(): number {
  try {
    // One is the folder being read.
    return readdirSync(OWN_DESCRIPTORS).length - 1;
  } catch {
    return lowestFreeDescriptor();
  }
}

/** The names in a folder, none where it does not exist or may not be read. */
function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Infinity when none is free. */
function lowestFreeDescriptor(): number {
  try {
    const fd = openSync("/", "r");
    closeSync(fd);
    return fd;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Descriptors in this thread's table, and what each leads to: `socket:[123]`, `pipe:[4]`, a path; none without /proc. */
export function listDescriptors(): { fd: number; target: string }[] {
  return readNames(OWN_DESCRIPTORS).flatMap((fd) => {
    try {
      return [{ fd: Number(fd), target: readlinkSync(`${OWN_DESCRIPTORS}/${fd}`) }];
    } catch {
      // The folder's own descriptor is closed by now.
      return [];
    }
  });
}

let knownPageBytes: number | undefined;

/** arm64 kernels may use 16 or 64 KiB pages; the kernel says so in the process's auxiliary vector (man 3 getauxval). */
function pageBytes(): number {
  knownPageBytes ??= readAuxiliary(AT_PAGESZ) ?? 4096;
  return knownPageBytes;
}

/** A value of the auxiliary vector: pairs of words of 64 bits. */
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
