// A server shard: one thread that accepts from the shared listening socket, greets, answers and holds.
// One loop; state in typed arrays by descriptor; nothing is thrown and no object made for an event.
import { runShard, type Shard } from "../engine/shard.js";
import { COMMAND, CONTROL, PHASE } from "../engine/shard-memory.js";
import { withRoomFor } from "../engine/state-table.js";
import { createServerProtocol, type ServerProtocol } from "../protocol/server-protocol.js";
import { EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../sys/constants.js";
import { EAGAIN, ECONNABORTED, ECONNRESET, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "../sys/errno.js";
import { NativeBuffer } from "../sys/libc.js";
import { countOpenDescriptors } from "../sys/procfs.js";
import { acceptedPeer, acceptFrom, acceptWithPeer, closeFd, receive, resetFd, sendBytes } from "../sys/socket.js";
import { COUNTER, type ServeMessage, type ServePlan, SHARED } from "./protocol.js";

const NONE = 0;
const OPEN = 1;
/** The kernel takes no more of an answer for now: nothing is read until it does. */
const BLOCKED = 2;

const EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLET;
const ACCEPT_AT_ONCE = 64;
const READ_BYTES = 64 * 1024;
// A full table is tried again this often: room may come from another thread of the same table, or the host's.
const RETRY_MS = 100;
// Above this many, stopping closes with RST: no TIME_WAIT stays.
const MANY = 1000;
const STATES_AT_FIRST = 4096;

class ServeShard {
  readonly #shard: Shard<ServePlan, ServeMessage>;
  readonly #plan: ServePlan;
  readonly #counters: Float64Array;
  readonly #shared: Int32Array;
  readonly #protocol: ServerProtocol;
  readonly #greeting: NativeBuffer;
  readonly #buffer = new NativeBuffer(READ_BYTES);
  /** What is still to be sent on BLOCKED descriptors. */
  readonly #unsent = new Map<number, { buffer: NativeBuffer; offset: number; endsAfter: boolean }>();
  readonly #halfOfTable: number;
  #states = new Uint8Array(STATES_AT_FIRST);
  #highestFd = 0;
  #isListening = false;
  #retryAtMs = 0;
  #isFilling = false;

  constructor(shard: Shard<ServePlan, ServeMessage>) {
    this.#shard = shard;
    this.#plan = shard.plan;
    this.#counters = shard.memory.counters;
    this.#shared = new Int32Array(shard.plan.shared);
    this.#protocol = createServerProtocol({
      mode: shard.plan.mode,
      greeting: shard.plan.greeting,
      closesAfterGreeting: shard.plan.closeAfterGreeting,
    });
    this.#greeting = NativeBuffer.from(this.#protocol.greeting);
    this.#halfOfTable = (shard.plan.tableSize - countOpenDescriptors()) / 2;
  }

  run(): void {
    const { epoll, memory } = this.#shard;
    const { listener } = this.#plan;
    this.#listen(true);
    this.#shard.tell({ type: "listening" });
    while (this.#shard.command === COMMAND.run) {
      const isPaused = Atomics.load(memory.control, CONTROL.paused) !== 0;
      if (isPaused) this.#listen(false);
      else if (!this.#isListening && performance.now() >= this.#retryAtMs) this.#listen(true);
      const ready = epoll.wait(this.#isListening || isPaused ? -1 : RETRY_MS);
      for (let i = 0; i < ready; i++) {
        const fd = epoll.readyFd(i);
        if (fd === listener) this.#acceptSome();
        else if (!this.#shard.isWakeUp(fd)) this.#handle(fd, epoll.readyEvents(i));
      }
    }
    closeFd(listener);
    if (this.#shard.command === COMMAND.stop) this.#closeAll();
  }

  /** Joins or leaves the shards that wait for the listening socket. */
  #listen(joins: boolean): void {
    if (joins === this.#isListening) return;
    const { epoll } = this.#shard;
    // EPOLLEXCLUSIVE: a new connection wakes one shard, not all.
    if (joins) epoll.add(this.#plan.listener, EPOLLIN | EPOLLEXCLUSIVE);
    else epoll.remove(this.#plan.listener);
    this.#isListening = joins;
  }

  #acceptSome(): void {
    let peers: { ip: string; port: number }[] | undefined;
    for (let n = 0; n < ACCEPT_AT_ONCE; n++) {
      const isLogged = this.#shared[SHARED.logged]! < this.#plan.logged && this.#takeLogPlace();
      const fd = isLogged ? acceptWithPeer(this.#plan.listener) : acceptFrom(this.#plan.listener);
      if (fd < 0) {
        if (isLogged) Atomics.sub(this.#shared, SHARED.logged, 1);
        if (this.#endsAccepting(-fd)) break;
        continue;
      }
      if (isLogged) {
        peers ??= [];
        peers.push(acceptedPeer());
      }
      this.#take(fd);
    }
    if (peers) this.#shard.tell({ type: "accepted", peers });
  }

  #takeLogPlace(): boolean {
    if (Atomics.add(this.#shared, SHARED.logged, 1) < this.#plan.logged) return true;
    Atomics.sub(this.#shared, SHARED.logged, 1);
    return false;
  }

  /** Whether a failed accept means that there is nothing to accept for now. */
  #endsAccepting(errno: number): boolean {
    if (errno === EAGAIN) return true;
    // The peer gave up while it waited: the next in the queue is another.
    if (errno === EINTR || errno === ECONNABORTED) return false;
    this.#shard.memory.countFailure(PHASE.accept, errno);
    if (errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM) {
      // The connection stays in the queue: without leaving, epoll would report it again and again.
      this.#counters[COUNTER.tableFull]! += 1;
      this.#listen(false);
      this.#retryAtMs = performance.now() + RETRY_MS;
      return true;
    }
    // Other errors are of the one connection that was taken off the queue (man 2 accept).
    return false;
  }

  /** A new connection: greet, register, hold. */
  #take(fd: number): void {
    const counters = this.#counters;
    counters[COUNTER.accepted]! += 1;
    const open = Atomics.add(this.#shared, SHARED.open, 1) + 1;
    if (open > this.#plan.maxConnections) {
      counters[COUNTER.rejected]! += 1;
      Atomics.sub(this.#shared, SHARED.open, 1);
      closeFd(fd);
      return;
    }
    if (open > this.#shared[SHARED.peak]!) this.#shared[SHARED.peak] = open;
    counters[COUNTER.open]! += 1;
    this.#states = withRoomFor(this.#states, fd);
    if (fd > this.#highestFd) this.#highestFd = fd;
    this.#states[fd] = OPEN;
    const added = this.#shard.epoll.add(fd, EVENTS);
    if (added < 0) {
      this.#shard.memory.countFailure(PHASE.register, -added);
      this.#close(fd);
      return;
    }
    const { greeting, closesAfterGreeting } = this.#protocol;
    if (greeting.length > 0) this.#send(fd, this.#greeting, greeting.length, closesAfterGreeting);
    if (!this.#isFilling && counters[COUNTER.open]! > this.#halfOfTable) {
      this.#isFilling = true;
      this.#shard.tell({ type: "filling" });
    }
  }

  #handle(fd: number, events: number): void {
    // An earlier event of this batch may have closed the descriptor.
    if (this.#states[fd] === NONE) return;
    if (this.#states[fd] === BLOCKED) this.#unblock(fd);
    if (this.#isOpen(fd)) this.#read(fd, (events & EPOLLRDHUP) !== 0);
  }

  #isOpen(fd: number): boolean {
    return this.#states[fd] === OPEN;
  }

  /** Reads and answers all there is: events are edge-triggered. */
  #read(fd: number, hasEnded: boolean): void {
    for (;;) {
      const received = receive(fd, this.#buffer);
      if (received <= 0) {
        if (received === -EAGAIN) return;
        if (received === -ECONNRESET) this.#counters[COUNTER.resets]! += 1;
        else if (received < 0) this.#shard.memory.countFailure(PHASE.receive, -received);
        this.#close(fd);
        return;
      }
      this.#counters[COUNTER.receivedBytes]! += received;
      const answer = this.#protocol.answerLength(received);
      if (answer > 0) this.#send(fd, this.#buffer, answer, false);
      if (!this.#isOpen(fd) || (received < READ_BYTES && !hasEnded)) return;
    }
  }

  #send(fd: number, buffer: NativeBuffer, length: number, endsAfter: boolean): void {
    const sent = sendBytes(fd, buffer, 0, length);
    if (sent < 0 && sent !== -EAGAIN) {
      this.#shard.memory.countFailure(PHASE.send, -sent);
      this.#close(fd);
      return;
    }
    const taken = Math.max(0, sent);
    this.#counters[COUNTER.sentBytes]! += taken;
    if (taken < length) {
      this.#unsent.set(fd, { buffer: NativeBuffer.from(buffer.bytes.subarray(taken, length)), offset: 0, endsAfter });
      this.#states[fd] = BLOCKED;
      this.#shard.epoll.modify(fd, EVENTS | EPOLLOUT);
    } else if (endsAfter) this.#close(fd);
  }

  /** Sends the rest of a blocked answer, and reads again once it is gone. */
  #unblock(fd: number): void {
    const rest = this.#unsent.get(fd)!;
    const length = rest.buffer.bytes.length;
    const sent = sendBytes(fd, rest.buffer, rest.offset, length - rest.offset);
    if (sent === -EAGAIN) return;
    if (sent < 0) {
      this.#shard.memory.countFailure(PHASE.send, -sent);
      this.#close(fd);
      return;
    }
    this.#counters[COUNTER.sentBytes]! += sent;
    rest.offset += sent;
    if (rest.offset < length) return;
    this.#unsent.delete(fd);
    this.#states[fd] = OPEN;
    this.#shard.epoll.modify(fd, EVENTS);
    if (rest.endsAfter) this.#close(fd);
  }

  #close(fd: number): void {
    closeFd(fd);
    this.#unsent.delete(fd);
    this.#states[fd] = NONE;
    this.#counters[COUNTER.open]! -= 1;
    this.#counters[COUNTER.closed]! += 1;
    Atomics.sub(this.#shared, SHARED.open, 1);
    // There is room again: no need to wait for the next try.
    this.#retryAtMs = 0;
  }

  #closeAll(): void {
    const resets = this.#shared[SHARED.open]! > MANY;
    this.#shard.epoll.close();
    for (let fd = 0; fd <= this.#highestFd; fd++) {
      if (this.#states[fd] === NONE) continue;
      resets ? resetFd(fd) : closeFd(fd);
      // Asked again while closing: leave the rest to the kernel.
      if (this.#shard.command === COMMAND.abort) return;
    }
  }
}

runShard<ServePlan, ServeMessage>((shard) => new ServeShard(shard).run());
