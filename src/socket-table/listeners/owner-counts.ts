// Counts sockets by the process that owns them, and by the container, pod or systemd unit that the processes belong to.
// Sockets without a visible process count for the cgroup in which they were created.

import { cgroupNames, readCgroupName } from "../../linux/proc/cgroup-name.js";
import { TCP_ESTABLISHED, TCP_LISTEN, TCP_TIME_WAIT } from "../../linux/syscalls/constants.js";
import type { OwnerGroup, OwnerMemory, OwnerRow, OwnerSummary } from "../../results/sockets/owners.js";
import { AddressIndex } from "../addresses.js";
import { Counts, PairIndex } from "../aggregate/dense-index.js";
import { readTable, type SocketQuery } from "../table.js";
import type { SocketView } from "../view.js";
import { type ScannedOwners, scanOwners } from "./owners.js";

/** Owners are numbered by ScannedOwners.ownerIndex(). These stand for no owner, and for several or an unknown one. */
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
  let aggregate = new OwnerCounts(listenerOf);
  const read = await readTable({ ...query, withoutTimers: true }, () => {
    aggregate = new OwnerCounts(listenerOf);
    return (socket) => {
      const owner = socket.inode === 0 ? NOBODY : index.ownerIndex(socket);
      const isVisible = owner >= 0 && owner < index.processes.length;
      if (socket.inode === 0) aggregate.addKernelOwned(socket);
      else aggregate.add(owner, socket);
      if (socket.inode !== 0 && !isVisible) aggregate.notVisible++;
      if (query.memory) aggregate.addMemory(isVisible ? owner : NOBODY, socket);
    };
  });
  aggregate.attributeTimeWait();
  const hasMemory = query.memory === true && read.source !== "/proc/net/tcp";
  const owners = index.processes
    .map((pid, process): OwnerRow & { readonly inBuffers: number } => ({
      pid,
      command: "",
      ...aggregate.countsOf(process),
      inBuffers: aggregate.inBuffers(process),
      ...(hasMemory && { memory: aggregate.memoryOf(process) }),
    }))
    .filter(({ sockets }) => sockets > 0)
    .sort((a, b) => b.inBuffers - a.inBuffers || b.sockets - a.sockets || b.timeWait - a.timeWait)
    .map(({ inBuffers: _, ...row }) => ({ ...row, command: index.command(row.pid), group: readCgroupName(row.pid) }));
  const hidden = cgroupNames(index.cgroups).map((group, i): Counted => {
    const counts = aggregate.countsOf(index.processes.length + i);
    return { ...counts, group, processes: 0, notVisible: counts.sockets };
  });
  const { notVisible, kernelOwned } = aggregate;
  const { unreadable, isHiding, ringHolders } = index;
  const unowned = hasMemory ? aggregate.memoryOf(NOBODY) : undefined;
  return {
    source: read.source,
    owners,
    groups: groupsOf([...owners.map((owner) => ({ ...owner, processes: 1, notVisible: 0 })), ...hidden]),
    notVisible,
    ...(unowned && { unownedMemory: unowned }),
    ringHolders,
    kernelOwned,
    unreadable,
    isHiding,
  };
}

/** What a process, or a cgroup of sockets without a visible one, adds to its group; to none in the root cgroup. */
type Counted = Omit<OwnerGroup, "group"> & { readonly group?: string | undefined };

/** Sums up by container, pod or unit. */
function groupsOf(counted: readonly Counted[]): OwnerGroup[] {
  const groups = new Map<string, OwnerGroup>();
  for (const { group, processes, sockets, listening, established, timeWait, queuedBytes, notVisible } of counted) {
    if (group === undefined || sockets === 0) continue;
    const sum = groups.get(group);
    groups.set(group, {
      group,
      processes: (sum?.processes ?? 0) + processes,
      sockets: (sum?.sockets ?? 0) + sockets,
      listening: (sum?.listening ?? 0) + listening,
      established: (sum?.established ?? 0) + established,
      timeWait: (sum?.timeWait ?? 0) + timeWait,
      queuedBytes: (sum?.queuedBytes ?? 0) + queuedBytes,
      notVisible: (sum?.notVisible ?? 0) + notVisible,
    });
  }
  return [...groups.values()].sort((a, b) => b.sockets - a.sockets || b.timeWait - a.timeWait);
}

/** Returns the owner of the listeners on each port, or NOBODY or UNKNOWN. */
async function readListenerOwners(index: ScannedOwners, source: SocketQuery["source"]): Promise<Int32Array> {
  let owners = new Int32Array(PORTS);
  await readTable({ states: 1 << TCP_LISTEN, source }, () => {
    owners = new Int32Array(PORTS).fill(NOBODY);
    return (socket) => {
      const owner = index.ownerIndex(socket);
      const before = owners[socket.localPort]!;
      const isOnly = owner >= 0 && (before === NOBODY || before === owner);
      owners[socket.localPort] = isOnly ? owner : UNKNOWN;
    };
  });
  return owners;
}

class OwnerCounts {
  private readonly sockets = new Counts();
  private readonly listening = new Counts();
  private readonly established = new Counts();
  private readonly timeWait = new Counts();
  private readonly queued = new Map<number, number>();
  notVisible = 0;
  kernelOwned = 0;
  /** Per process, starting with NOBODY: receive, send and charged bytes. */
  private memory = new Float64Array(3 * 64);
  private readonly listenerOf: Int32Array;
  private readonly addresses = new AddressIndex();
  /**
   * Destinations of connections opened from here: the owner that has connections to it, and the number in TIME_WAIT.
   */
  private readonly destinations = new PairIndex();
  private readonly openers = new Counts();
  private readonly waiting = new Counts();

  /** @param listenerOf see readListenerOwners() */
  constructor(listenerOf: Int32Array) {
    this.listenerOf = listenerOf;
  }

  /** @param owner see ScannedOwners.ownerIndex() */
  add(owner: number, socket: SocketView): void {
    if (owner < 0) return;
    const { state, localPort } = socket;
    this.sockets.add(owner);
    if (state === TCP_LISTEN) {
      this.listening.add(owner);
      return;
    }
    if (state === TCP_ESTABLISHED) this.established.add(owner);
    const bytes = socket.receiveQueue + socket.sendQueue;
    if (bytes > 0) this.queued.set(owner, (this.queued.get(owner) ?? 0) + bytes);
    if (this.listenerOf[localPort] !== NOBODY) return;
    const id = this.destinationOf(socket);
    // Zero means a destination without an owner.
    const before = this.openers.get(id);
    this.openers.set(id, before === 0 || before === owner + 1 ? owner + 1 : UNKNOWN);
  }

  addKernelOwned(socket: SocketView): void {
    this.kernelOwned++;
    if (socket.state !== TCP_TIME_WAIT) return;
    const owner = this.listenerOf[socket.localPort]!;
    if (owner >= 0) this.timeWait.add(owner);
    else if (owner === NOBODY) this.waiting.add(this.destinationOf(socket));
  }

  /** Assigns TIME_WAIT sockets of connections opened from here to the only owner with the same destination. */
  attributeTimeWait(): void {
    for (let id = 0; id < this.destinations.size; id++) {
      const owner = this.openers.get(id) - 1;
      if (owner >= 0) this.timeWait.add(owner, this.waiting.get(id));
    }
  }

  private destinationOf(socket: SocketView): number {
    return this.destinations.idOf(this.addresses.remote(socket), socket.remotePort);
  }

  countsOf(owner: number): Pick<OwnerRow, "sockets" | "listening" | "established" | "timeWait" | "queuedBytes"> {
    return {
      sockets: this.sockets.get(owner),
      listening: this.listening.get(owner),
      established: this.established.get(owner),
      timeWait: this.timeWait.get(owner),
      queuedBytes: this.queued.get(owner) ?? 0,
    };
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
