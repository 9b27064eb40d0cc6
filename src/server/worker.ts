// A server shard: one thread that accepts from the shared listening socket, greets, answers and holds.
// One loop; state in typed arrays by descriptor; nothing is thrown and no object made for an event.

import { ConnectionTable } from "../engine/connection-table.js";
import { LISTENER, runShards, type Shard, WAKE_UP } from "../engine/worker.js";
import { COMMAND, CONTROL, PHASE } from "../engine/worker-memory.js";
import { countOpenDescriptors } from "../linux/proc/procfs.js";
import { EPOLLEXCLUSIVE, EPOLLIN, EPOLLRDHUP } from "../linux/syscalls/constants.js";
import { EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "../linux/syscalls/errno.js";
import { acceptedPeer, acceptFrom, acceptWithPeer, closeFd } from "../linux/syscalls/socket.js";
import { MANY } from "../planning/run-spec.js";
import { AppError } from "../util/errors.js";
import { Lots } from "./accept-batching.js";
import { BLOCKED_EVENTS, EVENTS, Exchange, OPEN } from "./exchange.js";
import { COUNTER, type ServeMessage, type ServePlan, SHARED } from "./worker-plan.js";

// Shares of a turn: the rest waits for later ones, so that no peer holds the thread.
const ACCEPT_AT_ONCE = 64;
const LEFTOVERS_AT_ONCE = 16;
// Addresses on their way to the main thread: past them it is not told of more, since it does not keep up.
const TOLD_AHEAD = 4096;
// A full table is tried again this often: room may come from another thread of the same table, or the host's.
const RETRY_MS = 100;
const SLOTS_AT_FIRST = 4096;

class ServeShard {
  private readonly shard: Shard<ServePlan, ServeMessage>;
  private readonly plan: ServePlan;
  private readonly counters: Float64Array;
  private readonly shared: Int32Array;
  private readonly table: ConnectionTable;
  private readonly exchange: Exchange;
  /** The listening socket in this thread's descriptor table. */
  private readonly listener: number;
  private readonly halfOfTable: number;
  private readonly lots: Lots;
  private isListening = false;
  private retryAtMs = 0;
  private isFilling = false;

  constructor(shard: Shard<ServePlan, ServeMessage>) {
    this.shard = shard;
    this.plan = shard.plan;
    this.listener = shard.localDescriptor(shard.plan.listener);
    this.counters = shard.memory.counters;
    this.shared = new Int32Array(shard.plan.shared);
    // Parked connections end in order: a peer that has half-closed is to see the end, not a reset.
    const { tableSize } = shard.plan;
    this.table = new ConnectionTable({
      slots: SLOTS_AT_FIRST,
      parkable: OPEN,
      tableSize,
      parks: true,
      resetsParked: false,
      onParking: (slot) => {
        if (this.exchange.sendsAtRest) this.exchange.watch(slot, BLOCKED_EVENTS);
      },
    });
    this.exchange = new Exchange(shard, this.table, (slot) => this.close(slot));
    this.lots = new Lots(this.shared, shard.plan.backlog);
    this.halfOfTable = (shard.plan.tableSize - countOpenDescriptors()) / 2;
  }

  run(): void {
    const { epoll, memory } = this.shard;
    const { leftovers } = this.exchange;
    this.listen(true);
    if (!this.isListening) throw noWatch();
    this.shard.tell({ type: "listening" });
    while (this.shard.command === COMMAND.run) {
      const isPaused = Atomics.load(memory.control, CONTROL.paused) !== 0;
      this.exchange.isPaused = isPaused;
      if (isPaused) this.listen(false);
      else if (!this.isListening && performance.now() >= this.retryAtMs) this.listen(true);
      const ready = epoll.wait(leftovers.length > 0 ? 0 : this.isListening || isPaused ? -1 : RETRY_MS);
      const accepted = this.counters[COUNTER.accepted]!;
      for (let i = 0; i < ready; i++) {
        const slot = epoll.readyData(i);
        if (slot === LISTENER) this.acceptSome();
        else if (slot === WAKE_UP) this.shard.wokenUp();
        // One that waits for a turn of its own reads until the end then, whatever was reported.
        else if (!leftovers.has(slot)) this.exchange.handle(slot, (epoll.readyEvents(i) & EPOLLRDHUP) !== 0);
      }
      this.exchange.goOn(LEFTOVERS_AT_ONCE);
      this.table.recycle();
      const taken = this.counters[COUNTER.accepted]! - accepted;
      this.lots.gather(taken, taken === ACCEPT_AT_ONCE);
    }
    // Where the table is shared, the listening socket is the main thread's to close.
    if (!this.shard.sharesTable) closeFd(this.listener);
    if (this.shard.command === COMMAND.stop) this.closeAll();
  }

  /** Joins or leaves the shards that wait for the listening socket. */
  private listen(joins: boolean): void {
    if (joins === this.isListening) return;
    const { epoll } = this.shard;
    // EPOLLEXCLUSIVE: a new connection wakes one shard, not all.
    const result = joins ? epoll.add(this.listener, EPOLLIN | EPOLLEXCLUSIVE, LISTENER) : epoll.remove(this.listener);
    // No watch is to be had (epoll's limit, memory): it is tried again.
    if (joins && result < 0) this.retryAtMs = performance.now() + RETRY_MS;
    else this.isListening = joins;
  }

  private acceptSome(): void {
    let peers: { ip: string; port: number }[] | undefined;
    for (let n = 0; n < ACCEPT_AT_ONCE; n++) {
      const isLogged = this.shared[SHARED.logged]! < this.plan.logged && this.takeLogPlace();
      const fd = isLogged ? acceptWithPeer(this.listener) : acceptFrom(this.listener);
      if (fd < 0) {
        if (isLogged) Atomics.sub(this.shared, SHARED.logged, 1);
        if (this.endsAccepting(-fd)) break;
        continue;
      }
      if (isLogged) {
        peers ??= [];
        peers.push(acceptedPeer());
      }
      this.take(fd);
    }
    if (peers) this.shard.tell({ type: "accepted", peers });
  }

  private takeLogPlace(): boolean {
    if (Atomics.load(this.shared, SHARED.logged) - Atomics.load(this.shared, SHARED.told) >= TOLD_AHEAD) return false;
    if (Atomics.add(this.shared, SHARED.logged, 1) < this.plan.logged) return true;
    Atomics.sub(this.shared, SHARED.logged, 1);
    return false;
  }

  /** Whether a failed accept means that there is nothing to accept for now. */
  private endsAccepting(errno: number): boolean {
    if (errno === EAGAIN) return true;
    // The peer gave up while it waited: the next in the queue is another.
    if (errno === EINTR || errno === ECONNABORTED) return false;
    // A full descriptor table makes room by parking connections that wait for their peers anyway.
    if (errno === EMFILE && this.table.park() > 0) return false;
    this.shard.memory.countFailure(PHASE.accept, errno);
    if (errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM) {
      // The connection stays in the queue: without leaving, epoll would report it again and again.
      this.counters[COUNTER.tableFull]! += 1;
      this.listen(false);
      this.retryAtMs = performance.now() + RETRY_MS;
      return true;
    }
    // Other errors are of the one connection that was taken off the queue (man 2 accept).
    return false;
  }

  /** A new connection: greet, register, hold. */
  private take(fd: number): void {
    const counters = this.counters;
    counters[COUNTER.accepted]! += 1;
    const open = Atomics.add(this.shared, SHARED.open, 1) + 1;
    if (open > this.plan.maxConnections) {
      counters[COUNTER.rejected]! += 1;
      Atomics.sub(this.shared, SHARED.open, 1);
      closeFd(fd);
      return;
    }
    this.raisePeak(open);
    counters[COUNTER.open]! += 1;
    const slot = this.table.add(fd, OPEN);
    const added = this.shard.epoll.add(fd, EVENTS, slot);
    if (added < 0) {
      this.shard.memory.countFailure(PHASE.register, -added);
      this.close(slot);
      return;
    }
    this.exchange.open(slot);
    if (!this.isFilling && counters[COUNTER.open]! > this.halfOfTable) {
      this.isFilling = true;
      this.shard.tell({ type: "filling" });
    }
  }

  /** Several shards raise it: a lower value must not take the place of a higher one. */
  private raisePeak(open: number): void {
    let peak = this.shared[SHARED.peak]!;
    while (open > peak) {
      const found = Atomics.compareExchange(this.shared, SHARED.peak, peak, open);
      if (found === peak) return;
      peak = found;
    }
  }

  private close(slot: number): void {
    this.table.close(slot);
    this.exchange.forget(slot);
    this.counters[COUNTER.open]! -= 1;
    this.counters[COUNTER.closed]! += 1;
    Atomics.sub(this.shared, SHARED.open, 1);
    // There is room again: no need to wait for the next try.
    this.retryAtMs = 0;
  }

  private closeAll(): void {
    const resets = this.shared[SHARED.open]! > MANY;
    this.exchange.finish(resets);
    this.shard.epoll.close();
    this.table.closeAll(resets, () => this.shard.command === COMMAND.abort);
  }
}

function noWatch(): AppError {
  return new AppError("E_SYSTEM", "the listening socket cannot be watched", {
    fix: "raise fs.epoll.max_user_watches, or free memory",
  });
}

await runShards<ServePlan, ServeMessage>((shard) => new ServeShard(shard).run());
