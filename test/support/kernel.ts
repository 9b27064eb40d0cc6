// What the kernel says, asked without the code under test: `ss` for sockets, /proc for descriptors and CPU time.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { promisify } from "node:util";
import { until } from "./until.js";

const run = promisify(execFile);
const TICKS_PER_SEC = 100;
/** TCP_ESTABLISHED as /proc/net/tcp has it. */
const ESTABLISHED = "01";

/** Lines of `ss -tan` that pass a filter, such as `sport = :7777`; `state` as in man 8 ss. */
export async function socketsInSs(filter: string, state = "established"): Promise<string[]> {
  const { stdout } = await run("ss", ["-Htan", "state", state, `( ${filter} )`], { maxBuffer: 64 * 1024 ** 2 });
  return stdout.split("\n").filter((line) => line.trim() !== "");
}

/** ESTABLISHED sockets whose own port is `port`: the server's ends. */
export async function establishedInSs(port: number, ip?: string): Promise<number> {
  const at = ip === undefined ? "" : ` and src ${ip.includes(":") ? `[${ip}]` : ip}`;
  // A row may come twice where others come and go meanwhile; queues, which change, are in front of the addresses.
  const ends = (await socketsInSs(`sport = :${port}${at}`)).map((row) => row.trim().split(/\s+/).slice(2, 4).join(" "));
  return new Set(ends).size;
}

/**
 * ESTABLISHED sockets whose own end is `ip` and `port`, out of /proc/net/tcp: as establishedInSs(), and no process is
 * started for it, which matters while threads of this process start.
 */
export function establishedAt({ ip, port }: { readonly ip: string; readonly port: number }): number {
  return countInTable(ip, port, ESTABLISHED);
}

/** Sockets that listen on exactly this address, out of /proc/net/tcp. */
export function listeningAt({ ip, port }: { readonly ip: string; readonly port: number }): number {
  return countInTable(ip, port, "0A");
}

function countInTable(ip: string, port: number, state: string): number {
  const table = readFileSync(ip.includes(":") ? "/proc/net/tcp6" : "/proc/net/tcp", "utf8");
  // Words of four bytes in the processor's order, which is little endian; ::1 is the only IPv6 address here.
  const address = ip.includes(":")
    ? `${"0".repeat(24)}01000000`
    : ip
        .split(".")
        .reverse()
        .map((part) => Number(part).toString(16).padStart(2, "0"))
        .join("")
        .toUpperCase();
  const local = `${address}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  // One search through all of it: there are tens of thousands of lines while another test has as many sockets.
  const rows = table.match(new RegExp(`: ${local} \\S+ ${state} `, "g")) ?? [];
  // The kernel repeats rows where others come and go while the table is read.
  return state === ESTABLISHED ? new Set(rows).size : rows.length;
}

/** What the descriptors of a process lead to: `socket:[123]`, `anon_inode:[eventpoll]`, a path. */
export function listDescriptors(pid: number | "self" = "self"): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      // The folder's own descriptor is gone by now.
      return [];
    }
  });
}

/** How many descriptors a process has, in its main thread's table. */
export function countDescriptors(pid: number | "self" = "self"): number {
  return listDescriptors(pid).length;
}

/** The sockets in the main thread's table of this process, of whatever kind. */
export function socketDescriptors(): string[] {
  return listDescriptors()
    .filter((target) => target.startsWith("socket:"))
    .sort();
}

/** Those of them that are TCP's. Reads the whole of /proc/net/tcp: slow while a million connections are open. */
export function tcpDescriptors(): string[] {
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].map((file) => readFileSync(file, "utf8"));
  const inodes = new Set(tables.flatMap((table) => table.split("\n").map((line) => line.trim().split(/\s+/)[9])));
  return socketDescriptors().filter((target) => inodes.has(/\d+/.exec(target)?.[0] ?? "none"));
}

/** CPU time of a process so far, all threads, in seconds. */
export function cpuSeconds(pid: number): number {
  // The name in brackets may hold spaces: fields are counted behind it (man 5 proc).
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC;
}

/** Waits until a process does nothing: what the kernel had to tell it has been heard, such as the end of 2,000 connections. */
export async function untilAtRest(pid: number): Promise<void> {
  let [spent, sinceMs] = [cpuSeconds(pid), performance.now()];
  await until("a process at rest", () => {
    const now = cpuSeconds(pid);
    // A thread that waits for a core, or stands still in a call, uses no CPU either.
    if (now !== spent || !isAsleep(pid)) [spent, sinceMs] = [now, performance.now()];
    return performance.now() - sinceMs > 100;
  });
}

/** Whether every thread of a process waits for something to happen. */
function isAsleep(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
      return stat.replace(/^.*\) /s, "").startsWith("S");
    });
  } catch {
    // A thread has ended meanwhile.
    return false;
  }
}
