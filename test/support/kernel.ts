// Reads the kernel's view without the code under test: `ss` for sockets, /proc for descriptors and CPU time.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { promisify } from "node:util";
import { until } from "./until.js";

const run = promisify(execFile);
const TICKS_PER_SEC = 100;
/** TCP_ESTABLISHED in /proc/net/tcp. */
const ESTABLISHED = "01";

/** Returns the lines of `ss -tan` that match a filter such as `sport = :7777`; `state` as in ss(8). */
export async function socketsInSs(filter: string, state = "established"): Promise<string[]> {
  const { stdout } = await run("ss", ["-Htan", "state", state, `( ${filter} )`], { maxBuffer: 64 * 1024 ** 2 });
  return stdout.split("\n").filter((line) => line.trim() !== "");
}

/** Counts ESTABLISHED sockets whose local port is `port`, which are the server's ends. */
export async function establishedInSs(port: number, ip?: string): Promise<number> {
  const at = ip === undefined ? "" : ` and src ${ip.includes(":") ? `[${ip}]` : ip}`;
  // A row may appear twice if other sockets come and go meanwhile. Compare addresses only, because queues change.
  const ends = (await socketsInSs(`sport = :${port}${at}`)).map((row) => row.trim().split(/\s+/).slice(2, 4).join(" "));
  return new Set(ends).size;
}

/**
 * Counts ESTABLISHED sockets whose local address is `ip` and `port` in /proc/net/tcp. This is like establishedInSs(),
 * but starts no process, which matters while threads of this process are starting.
 */
export function establishedAt({ ip, port }: { readonly ip: string; readonly port: number }): number {
  return countInTable(ip, port, ESTABLISHED);
}

/** Returns the addresses of clients' ends of connections to a server; `state` as in ss(8). */
export async function clientEndsInSs(ip: string, port: number, state = "established"): Promise<Set<string>> {
  const rows = await socketsInSs(`dst ${ip} and dport = :${port}`, state);
  // As in establishedInSs().
  return new Set(rows.map((row) => row.trim().split(/\s+/).slice(2, 4).join(" ")));
}

/** Waits until this many clients' ends are ESTABLISHED. */
export function untilClientEnds(ip: string, port: number, count: number): Promise<number> {
  const read = async () => (await clientEndsInSs(ip, port)).size;
  return until(`${count} in the kernel's table`, read, (size) => size === count);
}

/** Waits until no client's end is ESTABLISHED or in a handshake. */
export async function untilNoClientEnds(ip: string, port: number): Promise<void> {
  for (const state of ["syn-sent", "established"]) {
    await until(
      `none ${state}`,
      () => clientEndsInSs(ip, port, state),
      (ends) => ends.size === 0,
    );
  }
}

/** Counts sockets listening at exactly this address in /proc/net/tcp. */
export function listeningAt({ ip, port }: { readonly ip: string; readonly port: number }): number {
  return countInTable(ip, port, "0A");
}

function countInTable(ip: string, port: number, state: string): number {
  const table = readFileSync(ip.includes(":") ? "/proc/net/tcp6" : "/proc/net/tcp", "utf8");
  // The address as four-byte words in the processor's byte order, which is little-endian. ::1 is the only IPv6
  // address used here.
  const address = ip.includes(":")
    ? `${"0".repeat(24)}01000000`
    : ip
        .split(".")
        .reverse()
        .map((part) => Number(part).toString(16).padStart(2, "0"))
        .join("")
        .toUpperCase();
  const local = `${address}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  // Search the text once, because it has tens of thousands of lines while another test has that many sockets.
  const rows = table.match(new RegExp(`: ${local} \\S+ ${state} `, "g")) ?? [];
  // The kernel repeats rows if sockets come and go while the table is read.
  return state === ESTABLISHED ? new Set(rows).size : rows.length;
}

/** Returns the targets of a process's descriptors, such as `socket:[123]`, `anon_inode:[eventpoll]` or a path. */
export function listDescriptors(pid: number | "self" = "self"): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      // The folder's own descriptor is already closed.
      return [];
    }
  });
}

/** Returns the number of descriptors in the table of a process's main thread. */
export function countDescriptors(pid: number | "self" = "self"): number {
  return listDescriptors(pid).length;
}

/** Returns the sockets of any kind in the table of this process's main thread. */
export function socketDescriptors(): string[] {
  return listDescriptors()
    .filter((target) => target.startsWith("socket:"))
    .sort();
}

/**
 * Returns the TCP sockets among those sockets. It reads all of /proc/net/tcp, which is slow while a million
 * connections are open.
 */
export function tcpDescriptors(): string[] {
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].map((file) => readFileSync(file, "utf8"));
  const inodes = new Set(tables.flatMap((table) => table.split("\n").map((line) => line.trim().split(/\s+/)[9])));
  return socketDescriptors().filter((target) => inodes.has(/\d+/.exec(target)?.[0] ?? "none"));
}

/** Returns the CPU time of all threads of a process so far, in seconds. */
export function cpuSeconds(pid: number): number {
  // The name in parentheses may contain spaces, so count fields after it (proc(5)).
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC;
}

/**
 * Waits until a process is idle and has handled everything that the kernel reported to it, such as the end of 2,000
 * connections.
 */
export async function untilAtRest(pid: number): Promise<void> {
  let [spent, sinceMs] = [cpuSeconds(pid), performance.now()];
  await until(
    "a process at rest",
    () => {
      const now = cpuSeconds(pid);
      // A thread that waits for a CPU or is suspended in a call uses no CPU time either.
      if (now !== spent || !isAsleep(pid)) [spent, sinceMs] = [now, performance.now()];
      return { restedMs: performance.now() - sinceMs, threads: describeThreads(pid) };
    },
    ({ restedMs }) => restedMs > 100,
  );
}

/** Returns the name, state and CPU time, in ticks, of each thread of a process. */
function describeThreads(pid: number): string[] {
  return threadStats(pid).map((stat) => {
    const [, name, rest] = /\((.*)\) (.*)/s.exec(stat)!;
    const fields = rest!.split(" ");
    return `${name} ${fields[0]} ${fields[11]}+${fields[12]}`;
  });
}

function threadStats(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8"));
  } catch {
    // A thread has exited meanwhile.
    return [];
  }
}

/** Returns whether every thread of a process is sleeping. */
function isAsleep(pid: number): boolean {
  const stats = threadStats(pid);
  return stats.length > 0 && stats.every((stat) => stat.replace(/^.*\) /s, "").startsWith("S"));
}
