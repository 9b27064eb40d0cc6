// Which sockets the processes of this host have open: the descriptors under /proc, threads with a table of their own
// and the registered files of io_urings included. What may not be read is counted, never an error.
import { opendirSync, readdirSync, readlinkSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { libc } from "../syscalls/libc.js";
import { readText } from "./procfs.js";
import { forEachRingSocket } from "./ring-files.js";

const SYS_KCMP = process.arch === "x64" ? 312 : 272;
const KCMP_FILES = 2;
/** How long descriptors are read before the event loop turns. */
const TURN_MS = 10;
const SOCKET = "socket:[";
const RING = "anon_inode:[io_uring]";

export interface DescriptorScan {
  /** Processes looked at. */
  readonly processes: number;
  /** Processes that are there, but whose descriptors may not be read, or not all. */
  readonly unreadable: number;
  /** Other users' processes are not even listed: /proc is mounted with hidepid. */
  readonly isHiding: boolean;
  /** Processes with an io_uring whose sockets cannot be told: the kernel does not list or does not name them. */
  readonly ringHolders: readonly number[];
}

/**
 * Visits every socket descriptor of every visible process, and the sockets registered in its io_urings.
 *
 * @param visit gets the socket's inode, of whatever protocol, and the process
 * @param pids of these processes alone
 */
export async function forEachSocketDescriptor(
  visit: (inode: number, pid: number) => void,
  pids?: readonly number[],
): Promise<DescriptorScan> {
  let processes = 0;
  let unreadable = 0;
  const ringHolders = new Set<number>();
  let turnMs = performance.now();
  const names = readdirSync("/proc");
  for (const name of pids ?? names) {
    const pid = Number(name);
    if (!(pid > 0)) continue;
    processes++;
    let wasRefused = false;
    for (const folder of descriptorTables(pid)) {
      const table = openFolder(folder);
      if (typeof table === "string") {
        // A process that has ended meanwhile has no descriptors: that is no refusal.
        wasRefused ||= table !== "ENOENT" && table !== "ESRCH";
        continue;
      }
      try {
        for (let entry = table.readSync(); entry; entry = table.readSync()) {
          const target = linkOf(`${folder}/${entry.name}`);
          if (target.startsWith(SOCKET)) visit(Number(target.slice(SOCKET.length, -1)), pid);
          else if (target === RING) {
            const info = `${folder}info/${entry.name}`;
            const { isListed, nameless } = await forEachRingSocket(info, (inode) => visit(inode, pid));
            if (!isListed || nameless > 0) ringHolders.add(pid);
          }
          if (performance.now() - turnMs < TURN_MS) continue;
          await setImmediate();
          turnMs = performance.now();
        }
      } catch {
        // It ended while it was read.
      } finally {
        table.closeSync();
      }
    }
    if (wasRefused) unreadable++;
  }
  // There is always a process 1.
  return { processes, unreadable, isHiding: !names.includes("1"), ringHolders: [...ringHolders] };
}

/** Whether a process has a socket in its main thread's table; false where that may not be read. */
export function hasSocket(pid: number, inode: number): boolean {
  const table = openFolder(`/proc/${pid}/fd`);
  if (typeof table === "string") return false;
  const wanted = `${SOCKET}${inode}]`;
  try {
    for (let entry = table.readSync(); entry; entry = table.readSync()) {
      if (linkOf(`/proc/${pid}/fd/${entry.name}`) === wanted) return true;
    }
    return false;
  } catch {
    // It ended while it was read.
    return false;
  } finally {
    table.closeSync();
  }
}

/** A process's name, as in /proc/PID/comm; undefined when it is gone. */
export function readCommand(pid: number): string | undefined {
  return readText(`/proc/${pid}/comm`)?.trim();
}

/** The process's own table, and those of threads that have left it: unshare(CLONE_FILES). */
function descriptorTables(pid: number): string[] {
  const folders = [`/proc/${pid}/fd`];
  let threads: number[] = [];
  try {
    threads = readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    // It has ended.
  }
  const known = [pid];
  for (const tid of threads) {
    if (tid === pid || known.some((other) => shareTable(other, tid))) continue;
    known.push(tid);
    folders.push(`/proc/${pid}/task/${tid}/fd`);
  }
  return folders;
}

/** Whether two threads have one descriptor table (man 2 kcmp). */
function shareTable(a: number, b: number): boolean {
  const order = libc.syscall(SYS_KCMP, a, b, KCMP_FILES, 0, 0, 0);
  return order === 0 || (order < 0 && hasSameNumbers(a, b));
}

/** Without kcmp: tables with the same numbers are taken for one. */
function hasSameNumbers(a: number, b: number): boolean {
  try {
    const numbers = (tid: number) => readdirSync(`/proc/${tid}/fd`).join();
    return numbers(a) === numbers(b);
  } catch {
    return true;
  }
}

function openFolder(path: string): ReturnType<typeof opendirSync> | string {
  try {
    return opendirSync(path, { bufferSize: 512 });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "EIO";
  }
}

/** What a descriptor leads to; empty when it is gone. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
