// Finds the owners of sockets by matching inodes in the socket table with the descriptors of all processes and threads
// in /proc, and with the files registered in their io_urings.

import { forEachSocketDescriptor, readCommand } from "../../linux/proc/descriptors.js";
import { TCP_ESTABLISHED, TCP_LISTEN } from "../../linux/syscalls/constants.js";
import type { Owner, OwnerMemory, OwnerSummary } from "../../results/sockets/owners.js";
import { Counts, PairIndex } from "../aggregate/dense-index.js";
import { readTable, type SocketQuery } from "../table.js";
import type { SocketView } from "../view.js";

/** Index that means no process. */
const NOBODY = -1;
/** Indices of SK_MEMINFO_*. */
const RECEIVE_ALLOC = 0;
const SEND_QUEUED = 5;

/** Visible descriptors of all processes at one point in time. */
export interface OwnerIndex {
  /** Returns the first process found with this socket; undefined if none is visible. */
  ownerOf(inode: number): Owner | undefined;
  /** Number of processes whose descriptors cannot be read. */
  readonly unreadable: number;
  /** Whether /proc hides other users' processes (hidepid), which are therefore not counted as unreadable. */
  readonly isHiding: boolean;
  /** Number of sockets of any kind found in descriptors and io_urings. */
  readonly sockets: number;
  /** Processes with an io_uring whose sockets the kernel does not list, so that their owner is not visible. */
  readonly ringHolders: readonly Owner[];
}

/** Reads the descriptors of all processes, including threads with private tables. Fails only if `signal` aborts it. */
export async function readOwners(signal?: AbortSignal): Promise<OwnerIndex> {
  return scanOwners(signal);
}

/**
 * Counts the sockets that match the query by owner.
 *
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the socket table cannot be read
 */
export async function countByOwner(query: SocketQuery = {}, signal?: AbortSignal): Promise<OwnerSummary> {
  const index = await scanOwners(signal);
  let aggregate = new OwnerCounts();
  const read = await readTable(query, () => {
    aggregate = new OwnerCounts();
    return (socket) => {
      const { inode } = socket;
      const process = inode === 0 ? NOBODY : index.processOf(inode);
      if (inode === 0) aggregate.kernelOwned++;
      else aggregate.add(process, socket.state);
      if (query.memory) aggregate.addMemory(process, socket);
    };
  });
  const hasMemory = query.memory === true && read.source === "sock_diag";
  const owners = index.processes
    .map((pid, process) => ({
      pid,
      process,
      sockets: aggregate.sockets.get(process),
      queued: aggregate.queued(process),
    }))
    .filter(({ sockets }) => sockets > 0)
    .sort((a, b) => b.queued - a.queued || b.sockets - a.sockets)
    .map(({ pid, process, sockets }) => ({
      pid,
      command: index.command(pid),
      sockets,
      listening: aggregate.listening.get(process),
      established: aggregate.established.get(process),
      ...(hasMemory && { memory: aggregate.memoryOf(process) }),
    }));
  const { notVisible, kernelOwned } = aggregate;
  const { unreadable, isHiding, ringHolders } = index;
  const unowned = hasMemory ? aggregate.memoryOf(NOBODY) : undefined;
  return {
    source: read.source,
    owners,
    notVisible,
    ...(unowned && { unownedMemory: unowned }),
    ringHolders,
    kernelOwned,
    unreadable,
    isHiding,
  };
}

class OwnerCounts {
  readonly sockets = new Counts();
  readonly listening = new Counts();
  readonly established = new Counts();
  notVisible = 0;
  kernelOwned = 0;
  /** Per process, starting with NOBODY: receive, send and charged bytes. */
  private memory = new Float64Array(3 * 64);

  /** @param process index in ScannedOwners.processes, or -1 for none */
  add(process: number, state: number): void {
    if (process < 0) {
      this.notVisible++;
      return;
    }
    this.sockets.add(process);
    if (state === TCP_LISTEN) this.listening.add(process);
    else if (state === TCP_ESTABLISHED) this.established.add(process);
  }

  addMemory(process: number, socket: SocketView): void {
    const at = 3 * (process - NOBODY);
    if (at >= this.memory.length) {
      const longer = new Float64Array(2 * (at + 3));
      longer.set(this.memory);
      this.memory = longer;
    }
    this.memory[at]! += socket.memoryValue(RECEIVE_ALLOC);
    this.memory[at + 1]! += socket.memoryValue(SEND_QUEUED);
    this.memory[at + 2]! += socket.chargedBytes;
  }

  /** Returns the number of bytes in the process's queues. */
  queued(process: number): number {
    const { receiveAllocBytes, sendQueuedBytes } = this.memoryOf(process);
    return receiveAllocBytes + sendQueuedBytes;
  }

  memoryOf(process: number): OwnerMemory {
    const at = 3 * (process - NOBODY);
    const [receiveAllocBytes = 0, sendQueuedBytes = 0, chargedBytes = 0] = this.memory.subarray(at, at + 3);
    return { receiveAllocBytes, sendQueuedBytes, chargedBytes };
  }
}

/** Maps inodes to processes by number, in 20 bytes per socket, for millions of sockets. */
export class ScannedOwners implements OwnerIndex {
  readonly processes: number[] = [];
  unreadable = 0;
  isHiding = false;
  ringHolders: readonly Owner[] = [];
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
    // Ignore further descriptors of the same socket, and processes that inherited it.
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

/** Like readOwners(), with numbers instead of names, for millions of sockets. */
export async function scanOwners(signal?: AbortSignal): Promise<ScannedOwners> {
  const index = new ScannedOwners();
  const { unreadable, isHiding, ringHolders } = await forEachSocketDescriptor(
    (inode, pid) => index.add(inode, pid),
    undefined,
    signal,
  );
  index.unreadable = unreadable;
  index.isHiding = isHiding;
  index.ringHolders = ringHolders.map((pid) => ({ pid, command: index.command(pid) }));
  return index;
}
