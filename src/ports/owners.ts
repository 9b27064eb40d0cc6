// Who owns a socket: inodes of the socket table against the descriptors of all processes and their threads in /proc.
import { TCP_ESTABLISHED, TCP_LISTEN } from "../sys/constants.js";
import { forEachSocketDescriptor, readCommand } from "../sys/proc-descriptors.js";
import { Counts, PairIndex } from "./intern.js";
import { readTable, type SocketQuery, type SourceName } from "./table.js";

export interface Owner {
  readonly pid: number;
  /** The process's name (/proc/PID/comm). */
  readonly command: string;
}

/** What could be seen of all processes' descriptors at one moment. */
export interface OwnerIndex {
  /** The first process found with this socket; undefined when none is visible. */
  ownerOf(inode: number): Owner | undefined;
  /** Processes whose descriptors may not be read. */
  readonly unreadable: number;
  /** Other users' processes are not even listed (hidepid), and so not among the unreadable. */
  readonly isHiding: boolean;
  /** Descriptors found that are sockets, of any kind. */
  readonly sockets: number;
}

export interface OwnerRow extends Owner {
  readonly sockets: number;
  readonly listening: number;
  readonly established: number;
}

export interface OwnerSummary {
  readonly source: SourceName;
  /** Most sockets first. */
  readonly owners: readonly OwnerRow[];
  /** Sockets with an inode that no visible descriptor leads to: parked in io_uring, in flight, or another user's. */
  readonly notVisible: number;
  /** Sockets without an inode: TIME_WAIT, orphans, requests in the SYN queue. They belong to the kernel. */
  readonly kernelOwned: number;
  /** Processes whose descriptors may not be read (run as root to see them). */
  readonly unreadable: number;
  /** Other users' processes are not even listed (hidepid), and so not among the unreadable. */
  readonly isHiding: boolean;
}

/** Reads the descriptors of all processes, threads with a table of their own included. Never fails: see `unreadable`. */
export async function readOwners(): Promise<OwnerIndex> {
  return scanOwners();
}

/**
 * Counts the sockets that meet the query by the process that owns them.
 *
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the socket table cannot be read
 */
export async function countByOwner(query: SocketQuery = {}): Promise<OwnerSummary> {
  const index = await scanOwners();
  let tally = new OwnerTally();
  const read = await readTable(query, () => {
    tally = new OwnerTally();
    return ({ inode, state }) => {
      if (inode === 0) tally.kernelOwned++;
      else tally.add(index.processOf(inode), state);
    };
  });
  const owners = index.processes
    .map((pid, process) => ({ pid, process, sockets: tally.sockets.get(process) }))
    .filter(({ sockets }) => sockets > 0)
    .sort((a, b) => b.sockets - a.sockets)
    .map(({ pid, process, sockets }) => ({
      pid,
      command: index.command(pid),
      sockets,
      listening: tally.listening.get(process),
      established: tally.established.get(process),
    }));
  const { notVisible, kernelOwned } = tally;
  return {
    source: read.source,
    owners,
    notVisible,
    kernelOwned,
    unreadable: index.unreadable,
    isHiding: index.isHiding,
  };
}

class OwnerTally {
  readonly sockets = new Counts();
  readonly listening = new Counts();
  readonly established = new Counts();
  notVisible = 0;
  kernelOwned = 0;

  /** @param process its place in ScannedOwners.processes, -1 for none */
  add(process: number, state: number): void {
    if (process < 0) {
      this.notVisible++;
      return;
    }
    this.sockets.add(process);
    if (state === TCP_LISTEN) this.listening.add(process);
    else if (state === TCP_ESTABLISHED) this.established.add(process);
  }
}

/** Inodes and processes as numbers: millions of sockets take 20 bytes each. */
export class ScannedOwners implements OwnerIndex {
  readonly processes: number[] = [];
  unreadable = 0;
  isHiding = false;
  private readonly inodes = new PairIndex(1024);
  private owner = new Int32Array(1024);
  private readonly commands = new Map<number, string>();

  get sockets(): number {
    return this.inodes.size;
  }

  add(inode: number, pid: number): void {
    if (this.processes.at(-1) !== pid) this.processes.push(pid);
    const before = this.inodes.size;
    const id = this.inodes.idOf(inode, 0);
    // Further descriptors of the same socket, and processes that inherited it, change nothing.
    if (id < before) return;
    if (id >= this.owner.length) {
      const longer = new Int32Array(2 * this.owner.length);
      longer.set(this.owner);
      this.owner = longer;
    }
    this.owner[id] = this.processes.length - 1;
  }

  processOf(inode: number): number {
    const id = this.inodes.find(inode, 0);
    return id < 0 ? -1 : this.owner[id]!;
  }

  command(pid: number): string {
    let command = this.commands.get(pid);
    if (command === undefined) {
      command = readCommand(pid) ?? "?";
      this.commands.set(pid, command);
    }
    return command;
  }

  ownerOf(inode: number): Owner | undefined {
    const pid = this.processes[this.processOf(inode)];
    return pid === undefined ? undefined : { pid, command: this.command(pid) };
  }
}

/** As readOwners(), with numbers instead of names: for millions of sockets. */
export async function scanOwners(): Promise<ScannedOwners> {
  const index = new ScannedOwners();
  const { unreadable, isHiding } = await forEachSocketDescriptor((inode, pid) => index.add(inode, pid));
  index.unreadable = unreadable;
  index.isHiding = isHiding;
  return index;
}
