// A server shard: one thread that accepts from the shared listening socket, greets, answers and holds.
// One loop; state in typed arrays by descriptor; nothing is thrown and no object made for an event.
import { ConnectionTable, FREE } from "../engine/connection-table.js";
import { LISTENER, runShard, type Shard, WAKE_UP } from "../engine/shard.js";
import { COMMAND, CONTROL, PHASE } from "../engine/shard-memory.js";
import { MANY } from "../engine/stopping.js";
import { createServerProtocol, type ServerProtocol } from "../protocol/server-protocol.js";
import { EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../sys/constants.js";
import { EAGAIN, ECONNABORTED, ECONNRESET, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "../sys/errno.js";
import { NativeBuffer } from "../sys/libc.js";
import { countOpenDescriptors } from "../sys/procfs.js";
import { acceptedPeer, acceptFrom, acceptWithPeer, closeFd } from "../sys/socket.js";
import { Lots } from "./lots.js";
import { COUNTER, type ServeMessage, type ServePlan, SHARED } from "./protocol.js";

// A connection's state.
const OPEN = 1;
/** The kernel takes no more of an answer for now: nothing is read until it does. */
const BLOCKED = 2;

const EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLET;
const ACCEPT_AT_ONCE = 64;
const READ_BYTES = 64 * 1024;
// A full table is tried again this often: room may come from another thread of the same table, or the host's.
const RETRY_MS = 100;
const SLOTS_AT_FIRST = 4096;

class ServeShard {
  private readonly shard: Shard<ServePlan, ServeMessage>;
  private readonly plan: ServePlan;
  private readonly counters: Float64Array;
  private readonly shared: Int32Array;
  private readonly protocol: ServerProtocol;
  private readonly greeting: NativeBuffer;
  private readonly buffer = new NativeBuffer(READ_BYTES);
  private readonly table: ConnectionTable;
  /** What is still to be sent on BLOCKED connections. */
  private readonly unsent = new Map<number, { buffer: NativeBuffer; offset: number; endsAfter: boolean }>();
  private readonly halfOfTable: number;
  private readonly lots: Lots;
  private isListening = false;
  private retryAtMs = 0;
  private isFilling = false;

  constructor(shard: Shard<ServePlan, ServeMessage>) {
    this.shard = shard;
    this.plan = shard.plan;
    this.counters = shard.memory.counters;
    this.shared = new Int32Array(shard.plan.shared);
    this.protocol = createServerProtocol({
      mode: shard.plan.mode,
      greeting: shard.plan.greeting,
      closesAfterGreeting: shard.plan.closeAfterGreeting,
    });
    // Parked connections end in order: a peer that has half-closed is to see the end, not a reset.
    const { tableSize } = shard.plan;
    this.table = new ConnectionTable({
      slots: SLOTS_AT_FIRST,
      parkable: OPEN,
      tableSize,
      parks: true,
      resetsParked: false,
      // Only an echo has something to send later on.
      onParking: shard.plan.mode === "echo" ? (slot) => this.watch(slot, EVENTS | EPOLLOUT) : undefined,
    });
    this.greeting = NativeBuffer.from(this.protocol.greeting);
    this.lots = new Lots(this.shared, shard.plan.backlog);
    this.halfOfTable = (shard.plan.tableSize - countOpenDescriptors()) / 2;
  }

  run(): void {
    const { epoll, memory } = this.shard;
    const { listener } = this.plan;
    this.listen(true);
    this.shard.tell({ type: "listening" });
    while (this.shard.command === COMMAND.run) {
      const isPaused = Atomics.load(memory.control, CONTROL.paused) !== 0;
      if (isPaused) this.listen(false);
      else if (!this.isListening && performance.now() >= this.retryAtMs) this.listen(true);
      const ready = epoll.wait(this.isListening || isPaused ? -1 : RETRY_MS);
      const accepted = this.counters[COUNTER.accepted]!;
      for (let i = 0; i < ready; i++) {
        const slot = epoll.readyData(i);
        if (slot === LISTENER) this.acceptSome();
        else if (slot === WAKE_UP) this.shard.wokenUp();
        else this.handle(slot, epoll.readyEvents(i));
      }
      this.table.recycle();
      const taken = this.counters[COUNTER.accepted]! - accepted;
      this.lots.gather(taken, taken === ACCEPT_AT_ONCE);
    }
    // Where the table is shared, the listening socket is the main thread's to close.
    if (memory.control[CONTROL.tableShared] === 0) closeFd(listener);
    if (this.shard.command === COMMAND.stop) this.closeAll();
  }

  /** Joins or leaves the shards that wait for the listening socket. */
  private listen(joins: boolean): void {
    if (joins === this.isListening) return;
    const { epoll } = this.shard;
    // EPOLLEXCLUSIVE: a new connection wakes one shard, not all.
    if (joins) epoll.add(this.plan.listener, EPOLLIN | EPOLLEXCLUSIVE, LISTENER);
    else epoll.remove(this.plan.listener);
    this.isListening = joins;
  }

  private acceptSome(): void {
    let peers: { ip: string; port: number }[] | undefined;
    for (let n = 0; n < ACCEPT_AT_ONCE; n++) {
      const isLogged = this.shared[SHARED.logged]! < this.plan.logged && this.takeLogPlace();
      const fd = isLogged ? acceptWithPeer(this.plan.listener) : acceptFrom(this.plan.listener);
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
    const { greeting, closesAfterGreeting } = this.protocol;
    if (greeting.length > 0) this.send(slot, this.greeting, greeting.length, closesAfterGreeting);
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

  private handle(slot: number, events: number): void {
    // An earlier event of this batch may have closed it.
    if (this.table.state(slot) === FREE) return;
    if (this.table.state(slot) === BLOCKED) this.unblock(slot);
    if (this.isOpen(slot)) this.read(slot, (events & EPOLLRDHUP) !== 0);
  }

  private isOpen(slot: number): boolean {
    return this.table.state(slot) === OPEN;
  }

  /** Reads and answers all there is: events are edge-triggered. */
  private read(slot: number, hasEnded: boolean): void {
    for (;;) {
      const received = this.table.receive(slot, this.buffer);
      if (received <= 0) {
        if (received === -EAGAIN) return;
        if (received === -ECONNRESET) this.counters[COUNTER.resets]! += 1;
        else if (received < 0) this.shard.memory.countFailure(PHASE.receive, -received);
        this.close(slot);
        return;
      }
      this.counters[COUNTER.receivedBytes]! += received;
      const answer = this.protocol.answerLength(received);
      if (answer > 0) this.send(slot, this.buffer, answer, false);
      if (!this.isOpen(slot) || (received < READ_BYTES && !hasEnded)) return;
    }
  }

  private send(slot: number, buffer: NativeBuffer, length: number, endsAfter: boolean): void {
    const sent = this.table.send(slot, buffer, 0, length);
    if (sent < 0 && sent !== -EAGAIN) {
      this.shard.memory.countFailure(PHASE.send, -sent);
      this.close(slot);
      return;
    }
    const taken = Math.max(0, sent);
    this.counters[COUNTER.sentBytes]! += taken;
    if (taken < length) {
      this.unsent.set(slot, { buffer: NativeBuffer.from(buffer.bytes.subarray(taken, length)), offset: 0, endsAfter });
      this.table.setState(slot, BLOCKED);
      this.watch(slot, EVENTS | EPOLLOUT);
    } else if (endsAfter) this.close(slot);
  }

  /** Sends the rest of a blocked answer, and reads again once it is gone. */
  private unblock(slot: number): void {
    const rest = this.unsent.get(slot)!;
    const length = rest.buffer.bytes.length;
    const sent = this.table.send(slot, rest.buffer, rest.offset, length - rest.offset);
    if (sent === -EAGAIN) return;
    if (sent < 0) {
      this.shard.memory.countFailure(PHASE.send, -sent);
      this.close(slot);
      return;
    }
    this.counters[COUNTER.sentBytes]! += sent;
    rest.offset += sent;
    if (rest.offset < length) return;
    this.unsent.delete(slot);
    this.table.setState(slot, OPEN);
    this.watch(slot, EVENTS);
    if (rest.endsAfter) this.close(slot);
  }

  /** Changes what is waited for; a parked connection, which has no descriptor to do it by, waits for everything. */
  private watch(slot: number, events: number): void {
    const fd = this.table.descriptor(slot);
    if (fd >= 0) this.shard.epoll.modify(fd, events, slot);
  }

  private close(slot: number): void {
    this.table.close(slot);
    this.unsent.delete(slot);
    this.counters[COUNTER.open]! -= 1;
    this.counters[COUNTER.closed]! += 1;
    Atomics.sub(this.shared, SHARED.open, 1);
    // There is room again: no need to wait for the next try.
    this.retryAtMs = 0;
  }

  private closeAll(): void {
    const resets = this.shared[SHARED.open]! > MANY;
    this.shard.epoll.close();
    this.table.closeAll(resets, () => this.shard.command === COMMAND.abort);
  }
}

await runShard<ServePlan, ServeMessage>((shard) => new ServeShard(shard).run());
