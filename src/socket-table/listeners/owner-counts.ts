// Counts sockets by the process that owns them, and by the container, pod or systemd unit that the processes belong to.

import { readCgroupName } from "../../linux/proc/cgroup-name.js";
import { TCP_ESTABLISHED, TCP_LISTEN, TCP_TIME_WAIT } from "../../linux/syscalls/constants.js";
import type { OwnerGroup, OwnerMemory, OwnerRow, OwnerSummary } from "../../results/sockets/owners.js";
import { AddressIndex } from "../addresses.js";
import { Counts, PairIndex } from "../aggregate/dense-index.js";
import { readTable, type SocketQuery } from "../table.js";
import type { SocketView } from "../view.js";
import { type ScannedOwners, scanOwners } from "./owners.js";

/** Indexes that stand for no process, and for several processes or an invisible one. */
const NOBODY = -1;
const UNKNOWN = -2;
const PORTS = 65_536;
/** Indices of SK_MEMINFO_*. */
const RECEIVE_ALLOC = 0;
const SEND_QUEUED = 5;

/**
 * Counts the sockets that match the query by owner.
 *
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the socket table cannot be read
 */
export async function countByOwner(query: SocketQuery = {}, signal?: AbortSignal): Promise<OwnerSummary> {
  const index = await scanOwners(signal);
  const listenerOf = await readListenerOwners(index, query.source);
  let aggregate = new OwnerCounts(index.processes.length, listenerOf);
  const read = await readTable({ ...query, withoutTimers: true }, () => {
    aggregate = new OwnerCounts(index.processes.length, listenerOf);
    return (socket) => {
      const { inode } = socket;
      const process = inode === 0 ? NOBODY : index.processOf(inode);
      if (inode === 0) aggregate.addKernelOwned(socket);
      else aggregate.add(process, socket);
      if (query.memory) aggregate.addMemory(process, socket);
    };
  });
  aggregate.attributeTimeWait();
  const hasMemory = query.memory === true && read.source !== "/proc/net/tcp";
  const owners = index.processes
    .map((pid, process): OwnerRow & { readonly inBuffers: number } => ({
      pid,
      command: "",
      sockets: aggregate.sockets.get(process),
      listening: aggregate.listening.get(process),
      established: aggregate.established.get(process),
      timeWait: aggregate.timeWait[process]!,
      queuedBytes: aggregate.queued[process]!,
      inBuffers: aggregate.inBuffers(process),
      ...(hasMemory && { memory: aggregate.memoryOf(process) }),
    }))
    .filter(({ sockets }) => sockets > 0)
    .sort((a, b) => b.inBuffers - a.inBuffers || b.sockets - a.sockets || b.timeWait - a.timeWait)
    .map(({ inBuffers: _, ...row }) => ({ ...row, command: index.command(row.pid), group: readCgroupName(row.pid) }));
  const { notVisible, kernelOwned } = aggregate;
  const { unreadable, isHiding, ringHolders } = index;
  const unowned = hasMemory ? aggregate.memoryOf(NOBODY) : undefined;
  return {
    source: read.source,
    owners,
    groups: groupsOf(owners),
    notVisible,
    ...(unowned && { unownedMemory: unowned }),
    ringHolders,
    kernelOwned,
    unreadable,
    isHiding,
  };
}

/** Sums up processes by container, pod or unit, in the order in which each first appears. */
function groupsOf(owners: readonly OwnerRow[]): OwnerGroup[] {
  const groups = new Map<string, OwnerGroup>();
  for (const { group, sockets, listening, established, timeWait, queuedBytes } of owners) {
    if (group === undefined) continue;
    const sum = groups.get(group);
    groups.set(group, {
      group,
      processes: (sum?.processes ?? 0) + 1,
      sockets: (sum?.sockets ?? 0) + sockets,
      listening: (sum?.listening ?? 0) + listening,
      established: (sum?.established ?? 0) + established,
      timeWait: (sum?.timeWait ?? 0) + timeWait,
      queuedBytes: (sum?.queuedBytes ?? 0) + queuedBytes,
    });
  }
  return [...groups.values()].sort((a, b) => b.sockets - a.sockets || b.timeWait - a.timeWait);
}

/** Returns the process that listens on each port, or NOBODY or UNKNOWN. */
async function readListenerOwners(index: ScannedOwners, source: SocketQuery["source"]): Promise<Int32Array> {
  let owners = new Int32Array(PORTS);
  await readTable({ states: 1 << TCP_LISTEN, source }, () => {
    owners = new Int32Array(PORTS).fill(NOBODY);
    return ({ localPort, inode }) => {
      const process = index.processOf(inode);
      const before = owners[localPort]!;
      const isOnly = process >= 0 && (before === NOBODY || before === process);
      owners[localPort] = isOnly ? process : UNKNOWN;
    };
  });
  return owners;
}

class OwnerCounts {
  readonly sockets = new Counts();
  readonly listening = new Counts();
  readonly established = new Counts();
  /** Per process, like the two arrays above. */
  readonly timeWait: Float64Array;
  readonly queued: Float64Array;
  notVisible = 0;
  kernelOwned = 0;
  /** Per process, starting with NOBODY: receive, send and charged bytes. */
  private memory = new Float64Array(3 * 64);
  private readonly listenerOf: Int32Array;
  private readonly addresses = new AddressIndex();
  /**
   * Destinations of connections opened from here: the process that has connections to it, and the number in TIME_WAIT.
   */
  private readonly destinations = new PairIndex();
  private readonly openers = new Counts();
  private readonly waiting = new Counts();

  /** @param listenerOf see readListenerOwners() */
  constructor(processes: number, listenerOf: Int32Array) {
    this.timeWait = new Float64Array(processes);
    this.queued = new Float64Array(processes);
    this.listenerOf = listenerOf;
  }

  /** @param process index in ScannedOwners.processes, or -1 for no process */
  add(process: number, socket: SocketView): void {
    if (process < 0) {
      this.notVisible++;
      return;
    }
    const { state, localPort } = socket;
    this.sockets.add(process);
    if (state === TCP_LISTEN) {
      this.listening.add(process);
      return;
    }
    if (state === TCP_ESTABLISHED) this.established.add(process);
    this.queued[process]! += socket.receiveQueue + socket.sendQueue;
    if (this.listenerOf[localPort] !== NOBODY) return;
    const id = this.destinationOf(socket);
    // Zero means a destination without a process.
    const before = this.openers.get(id);
    this.openers.set(id, before === 0 || before === process + 1 ? process + 1 : UNKNOWN);
  }

  addKernelOwned(socket: SocketView): void {
    this.kernelOwned++;
    if (socket.state !== TCP_TIME_WAIT) return;
    const process = this.listenerOf[socket.localPort]!;
    if (process >= 0) this.timeWait[process]!++;
    else if (process === NOBODY) this.waiting.add(this.destinationOf(socket));
  }

  /** Assigns TIME_WAIT sockets of connections opened from here to the only process with the same destination. */
  attributeTimeWait(): void {
    for (let id = 0; id < this.destinations.size; id++) {
      const process = this.openers.get(id) - 1;
      if (process >= 0) this.timeWait[process]! += this.waiting.get(id);
    }
  }

  private destinationOf(socket: SocketView): number {
    return this.destinations.idOf(this.addresses.remote(socket), socket.remotePort);
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

  /** Returns the size of the process's buffers that hold data; 0 if memory was not requested. */
  inBuffers(process: number): number {
    const { receiveAllocBytes, sendQueuedBytes } = this.memoryOf(process);
    return receiveAllocBytes + sendQueuedBytes;
  }

  memoryOf(process: number): OwnerMemory {
    const at = 3 * (process - NOBODY);
    const [receiveAllocBytes = 0, sendQueuedBytes = 0, chargedBytes = 0] = this.memory.subarray(at, at + 3);
    return { receiveAllocBytes, sendQueuedBytes, chargedBytes };
  }
}
