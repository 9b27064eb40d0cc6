// The thread's side of a shard: its memory, its own descriptor table, its epoll set with the wake-up in it.
// What it does with them is its role's business.
import { parentPort, workerData } from "node:worker_threads";
import { AppError } from "../base/errors.js";
import { EPOLLIN } from "../sys/constants.js";
import { Epoll } from "../sys/epoll.js";
import { errnoName } from "../sys/errno.js";
import { silence } from "../sys/eventfd.js";
import { listDescriptors } from "../sys/procfs.js";
import { unshareDescriptors } from "../sys/rlimit.js";
import { closeFd } from "../sys/socket.js";
import { findLoopDescriptors } from "./loop-descriptors.js";
import { AT_GATE, CONTROL, GATE, LOOP_DESCRIPTORS, ShardMemory, TABLE_GATE } from "./shard-memory.js";

/** What the pool hands to a new shard. */
export interface ShardStart<Plan> {
  readonly index: number;
  readonly memory: SharedArrayBuffer;
  readonly wakeFd: number;
  readonly plan: Plan;
  /** Sockets of the main thread that this shard uses. */
  readonly kept: readonly number[];
  /** The main thread's descriptor table is to be this thread's, too. */
  readonly sharesTable: boolean;
  /** Shards that were started before, whose descriptors are nothing to this one. */
  readonly earlier: readonly { readonly memory: SharedArrayBuffer; readonly wakeFd: number }[];
}

const EVENTS_AT_ONCE = 512;
const GATE_WAIT_MS = 10_000;

/** What comes back from epoll for descriptors that are no connection's; slots are 0 and above. */
export const WAKE_UP = -1;
export const LISTENER = -2;

/** A running shard, seen from inside its thread. `Plan` comes in, `Message`s go out. */
export class Shard<Plan, Message> {
  readonly index: number;
  readonly plan: Plan;
  readonly memory: ShardMemory;
  readonly epoll = new Epoll(EVENTS_AT_ONCE);
  private readonly wakeFd: number;

  constructor(start: ShardStart<Plan>, memory: ShardMemory) {
    this.index = start.index;
    this.plan = start.plan;
    this.memory = memory;
    this.wakeFd = start.wakeFd;
    const failed = this.epoll.fd < 0 ? this.epoll.fd : this.epoll.add(this.wakeFd, EPOLLIN, WAKE_UP);
    if (failed < 0) {
      throw new AppError("E_SHARD", `thread ${start.index} could not begin: ${errnoName(-failed)}`, {
        fix: "raise the limit of open files (ulimit -n) or ask for fewer connections",
      });
    }
  }

  /** The command in force, one of COMMAND. */
  get command(): number {
    return Atomics.load(this.memory.control, CONTROL.command);
  }

  /** Answers the wake-up, so that it does not come again. */
  wokenUp(): void {
    silence(this.wakeFd);
  }

  tell(message: Message): void {
    parentPort?.postMessage(message);
  }
}

/** Runs a role in this thread: the last statement of a shard's module. */
export async function runShard<Plan, Message>(role: (shard: Shard<Plan, Message>) => void): Promise<void> {
  const start = workerData as ShardStart<Plan>;
  const memory = new ShardMemory(start.memory);
  // The main thread is told which descriptors this thread's end will leave behind in the table shared until now.
  const loop = await findLoopDescriptors();
  memory.control.set(loop.slice(0, LOOP_DESCRIPTORS), CONTROL.loopDescriptors);
  if (start.sharesTable) Atomics.store(memory.control, CONTROL.tableShared, 1);
  else takeOwnTable(memory.control, start, loop);
  const shard = new Shard<Plan, Message>(start, memory);
  try {
    role(shard);
  } finally {
    shard.epoll.close();
  }
}

/**
 * A table of its own has a limit of its own (RLIMIT_NOFILE is a table's), and is not locked by other threads. Containers
 * may forbid it: then all shards share one table, and the main thread is told.
 */
function takeOwnTable<Plan>(control: Int32Array, start: ShardStart<Plan>, loop: readonly number[]): void {
  // The main thread stands still for it. Were it just starting a program, a copy of the pipe by which it learns
  // that the program has begun would keep it waiting for ever; and whatever it closed before the copies here are
  // gone would stay open: a listening socket would go on listening.
  Atomics.store(control, TABLE_GATE, GATE.asked);
  parentPort?.postMessage(AT_GATE);
  Atomics.wait(control, TABLE_GATE, GATE.asked, GATE_WAIT_MS);
  try {
    if (unshareDescriptors() < 0) Atomics.store(control, CONTROL.tableShared, 1);
    else closeCopies(descriptorsOf(start.earlier), [...loop, start.wakeFd, ...start.kept]);
  } finally {
    Atomics.store(control, TABLE_GATE, GATE.passed);
    Atomics.notify(control, TABLE_GATE);
  }
}

/**
 * The event loops' descriptors of other shards: each would take room in the tables of all that start later. Read while the
 * main thread stands still, so that none of these numbers has been closed and given to something else.
 */
function descriptorsOf(shards: ShardStart<unknown>["earlier"]): number[] {
  return shards.flatMap(({ memory, wakeFd }) => {
    const { control } = new ShardMemory(memory);
    const first = CONTROL.loopDescriptors;
    const loop = [...control.subarray(first, first + LOOP_DESCRIPTORS)].filter((fd) => fd > 0);
    // The main thread has closed those of one that has ended.
    return loop.length > 0 ? [...loop, wakeFd] : [];
  });
}

/** Closes the copies of what is nothing to this thread: they take room, and would keep alive what others close. */
function closeCopies(foreign: readonly number[], kept: readonly number[]): void {
  for (const { fd, target } of listDescriptors()) {
    const isOfOthers = target.startsWith("socket:") || (target.startsWith("/") && !target.startsWith("/dev/"));
    // Other pipes stay: the main thread's loop is woken through one.
    if (fd > 2 && (isOfOthers || foreign.includes(fd)) && !kept.includes(fd)) closeFd(fd);
  }
}
