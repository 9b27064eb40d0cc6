// Finds the sockets that processes on this host have open: descriptors in /proc, including those in threads' private
// tables, and registered files of io_urings. Unreadable processes are counted rather than treated as errors.
import { opendirSync, readdirSync, readlinkSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { libc } from "../syscalls/libc.js";
import { readText } from "./procfs.js";
import { forEachRingSocket } from "./ring-files.js";

const SYS_KCMP = process.arch === "x64" ? 312 : 272;
const KCMP_FILES = 2;
/** Time to spend reading descriptors before yielding to the event loop. */
const TURN_MS = 10;
const SOCKET = "socket:[";
const RING = "anon_inode:[io_uring]";

export interface DescriptorScan {
  /** Number of processes examined. */
  readonly processes: number;
  /** Number of processes whose descriptors could not be read completely. */
  readonly unreadable: number;
  /** Whether /proc hides other users' processes (mounted with hidepid). */
  readonly isHiding: boolean;
  /** Processes with an io_uring whose sockets the kernel does not list or name. */
  readonly ringHolders: readonly number[];
}

/**
 * Visits the socket descriptors of all visible processes, and the sockets registered in their io_urings.
 *
 * @param visit called with the socket's inode, for any protocol, and the process ID
 * @param pids restricts the scan to these processes
 * @param signal aborts the scan
 * @throws {Error} the signal's reason, once the signal is aborted
 */
export async function forEachSocketDescriptor(
  visit: (inode: number, pid: number) => void,
  pids?: readonly number[],
  signal?: AbortSignal,
): Promise<DescriptorScan> {
  signal?.throwIfAborted();
  let processes = 0;
  let unreadable = 0;
  const ringHolders = new Set<number>();
  let turnMs = performance.now();
  const isTurnOver = () => performance.now() - turnMs >= TURN_MS;
  const rest = async () => {
    await setImmediate();
    signal?.throwIfAborted();
    turnMs = performance.now();
  };
  const names = readdirSync("/proc");
  for (const name of pids ?? names) {
    const pid = Number(name);
    if (!(pid > 0)) continue;
    processes++;
    // Also a process whose descriptors cannot be read takes time, and there may be many.
    if (isTurnOver()) await rest();
    let wasRefused = false;
    for (const folder of descriptorTables(pid)) {
      const table = openFolder(folder);
      if (typeof table === "string") {
        // A process that has exited meanwhile does not count as unreadable.
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
          if (isTurnOver()) await rest();
        }
      } catch {
        signal?.throwIfAborted();
        // The process exited during the scan.
      } finally {
        table.closeSync();
      }
    }
    if (wasRefused) unreadable++;
  }
  // Process 1 always exists.
  return { processes, unreadable, isHiding: !names.includes("1"), ringHolders: [...ringHolders] };
}

/** Returns whether a process has a socket in its main thread's table; false if the table cannot be read. */
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
    // The process exited during the scan.
    return false;
  } finally {
    table.closeSync();
  }
}

/** Returns a process's name from /proc/PID/comm; undefined if the process has exited. */
export function readCommand(pid: number): string | undefined {
  return readText(`/proc/${pid}/comm`)?.trim();
}

/**
 * Returns the /proc directories of the process's descriptor table and of its threads' private tables
 * (unshare(CLONE_FILES)).
 */
function descriptorTables(pid: number): string[] {
  const folders = [`/proc/${pid}/fd`];
  let threads: number[] = [];
  try {
    threads = readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    // The process has ended.
  }
  const known = [pid];
  for (const tid of threads) {
    if (tid === pid || known.some((other) => shareTable(other, tid))) continue;
    known.push(tid);
    folders.push(`/proc/${pid}/task/${tid}/fd`);
  }
  return folders;
}

/** Returns whether two threads share a descriptor table (kcmp(2)). */
function shareTable(a: number, b: number): boolean {
  const order = libc.syscall(SYS_KCMP, a, b, KCMP_FILES, 0, 0, 0);
  return order === 0 || (order < 0 && hasSameNumbers(a, b));
}

/** Fallback without kcmp: tables with the same numbers are assumed to be shared. */
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

/** Returns the target of a descriptor; empty if it has been closed. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
