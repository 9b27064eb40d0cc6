// Finds the owners of sockets by matching inodes in the socket table with the descriptors of all processes and threads
// in /proc, and with the files registered in their io_urings.

import { forEachSocketDescriptor, readCommand } from "../../linux/proc/descriptors.js";
import type { Owner } from "../../results/sockets/owners.js";
import { PairIndex } from "../aggregate/dense-index.js";
import type { SocketView } from "../view.js";

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
  /**
   * Processes with an io_uring whose sockets the kernel does not list, so that these sockets appear to have no owner.
   */
  readonly ringHolders: readonly Owner[];
}

/**
 * Reads the descriptors of all processes, including threads with private tables. This fails only if `signal` aborts
 * it.
 */
export async function readOwners(signal?: AbortSignal): Promise<OwnerIndex> {
  return scanOwners(signal);
}

/** Maps inodes to processes by number, in 20 bytes per socket, for millions of sockets. */
export class ScannedOwners implements OwnerIndex {
  readonly processes: number[] = [];
  /** IDs of the cgroups of sockets without a visible process. */
  readonly cgroups: number[] = [];
  unreadable = 0;
  isHiding = false;
  ringHolders: readonly Owner[] = [];
  private readonly inodes = new PairIndex(1024);
  private owner = new Int32Array(1024);
  private readonly cgroupIndexes = new Map<number, number>();
  private readonly commands = new Map<number, string>();

  get sockets(): number {
    return this.inodes.size;
  }

  add(inode: number, pid: number): void {
    if (this.processes.at(-1) !== pid) this.processes.push(pid);
    const before = this.inodes.size;
    const id = this.inodes.idOf(inode, 0);
    // Ignore further descriptors of the same socket, including those of processes that inherited it.
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

  /**
   * Returns the index of a socket's process; without a visible one, the number of processes plus the index of its
   * cgroup in `cgroups`; -1 if that is unknown, too.
   */
  ownerIndex(socket: SocketView): number {
    const process = this.processOf(socket.inode);
    if (process >= 0) return process;
    const { cgroupId } = socket;
    if (cgroupId === 0) return -1;
    let cgroup = this.cgroupIndexes.get(cgroupId);
    if (cgroup === undefined) {
      cgroup = this.cgroups.push(cgroupId) - 1;
      this.cgroupIndexes.set(cgroupId, cgroup);
    }
    return this.processes.length + cgroup;
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
