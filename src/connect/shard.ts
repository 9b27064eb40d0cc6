// A client shard: one thread that opens its share of the plan's connections, holds them and closes them.
// One loop; state in typed arrays by descriptor; nothing is thrown and no object made for an event.
import { toMicros } from "../engine/latency.js";
import { runShard, type Shard } from "../engine/shard.js";
import { COMMAND, CONTROL, PHASE } from "../engine/shard-memory.js";
import { withRoomFor } from "../engine/state-table.js";
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../sys/constants.js";
import { EAGAIN, ETIMEDOUT } from "../sys/errno.js";
import { NativeBuffer } from "../sys/libc.js";
import { closeFd, localAddress, receive, resetFd, takeSocketError } from "../sys/socket.js";
import { MessageSender } from "./message-sender.js";
import { Opener } from "./opener.js";
import { COUNTER, type ConnectMessage, type ConnectPlan, SHARED } from "./protocol.js";

// A descriptor's state. GREETING is ESTABLISHED, and in flight until the greeting that this peer is known to send.
const NONE = 0;
const CONNECTING = 1;
const GREETING = 2;
const OPEN = 3;

const EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
// Few enough that a handshake's end is seen soon, many enough that epoll_wait costs little.
const OPEN_AT_ONCE = 16;
const READ_BYTES = 16 * 1024;
// The article's client reads 512 bytes at a time, and says so for each time.
const ARTICLE_READ_BYTES = 512;
// A peer that greeted others and lets one wait must not hold up the rest.
const GREETING_PATIENCE_MS = 1000;
const CHECK_EVERY_MS = 100;

class ConnectShard {
  readonly #shard: Shard<ConnectPlan, ConnectMessage>;
  readonly #plan: ConnectPlan;
  readonly #counters: Float64Array;
  readonly #shared: Int32Array;
  readonly #opener: Opener;
  readonly #sender: MessageSender | undefined;
  readonly #buffer: NativeBuffer;
  readonly #isOpen = (fd: number): boolean => this.#states[fd] === OPEN;
  #states: Uint8Array;
  /** When connect() was called, in milliseconds; 0 once the first byte has come. */
  #startedMs: Float64Array;
  #highestFd = 0;
  #nextCheckMs = 0;
  #settledAt = 0;

  constructor(shard: Shard<ConnectPlan, ConnectMessage>) {
    const { plan, memory } = shard;
    const slots = plan.share + 256;
    this.#shard = shard;
    this.#plan = plan;
    this.#counters = memory.counters;
    this.#shared = new Int32Array(plan.shared);
    this.#opener = new Opener(plan);
    this.#sender = plan.message && new MessageSender(plan.message, memory, plan.histograms.roundTrip, slots);
    this.#buffer = new NativeBuffer(plan.narrates ? ARTICLE_READ_BYTES : READ_BYTES);
    this.#states = new Uint8Array(slots);
    this.#startedMs = new Float64Array(slots);
  }

  run(): void {
    const { epoll, memory } = this.#shard;
    while (this.#shard.command === COMMAND.run) {
      const wanted = Atomics.load(memory.control, CONTROL.target);
      const mayOpenMore = this.#follow(wanted);
      const ready = epoll.wait(mayOpenMore ? 0 : this.#patienceMs());
      for (let i = 0; i < ready; i++) {
        const fd = epoll.readyFd(i);
        if (!this.#shard.isWakeUp(fd)) this.#handle(fd, epoll.readyEvents(i));
      }
      if (this.#counters[COUNTER.inFlight]! > 0) this.#expire();
      this.#sender?.sendDue(performance.now(), this.#highestFd, this.#isOpen);
      this.#tellWhenSettled(wanted);
    }
    if (this.#shard.command === COMMAND.stop) this.#closeAll();
  }

  /** Connections begun and not closed again to follow the schedule: what `wanted` is compared with. */
  get #begun(): number {
    return this.#counters[COUNTER.started]! - this.#counters[COUNTER.retired]!;
  }

  /** Opens or closes a batch towards `wanted`. @returns whether there is more to do right now */
  #follow(wanted: number): boolean {
    if (this.#begun > wanted) this.#retire(this.#begun - wanted);
    for (let n = 0; n < OPEN_AT_ONCE; n++) {
      if (!this.#mayOpen(wanted)) return false;
      this.#openOne();
    }
    return this.#mayOpen(wanted);
  }

  #mayOpen(wanted: number): boolean {
    return this.#begun < wanted && this.#counters[COUNTER.inFlight]! < this.#plan.window;
  }

  #openOne(): void {
    const counters = this.#counters;
    counters[COUNTER.started]! += 1;
    const startedMs = performance.now();
    if (counters[COUNTER.firstBegunAt] === 0) counters[COUNTER.firstBegunAt] = performance.timeOrigin + startedMs;
    const fd = this.#opener.open();
    counters[COUNTER.skippedTuples] = this.#opener.skipped;
    if (fd < 0) {
      counters[COUNTER.failed]! += 1;
      this.#shard.memory.countFailure(this.#opener.failedPhase, -fd);
      return;
    }
    this.#states = withRoomFor(this.#states, fd);
    this.#startedMs = withRoomFor(this.#startedMs, fd);
    if (fd > this.#highestFd) this.#highestFd = fd;
    this.#states[fd] = CONNECTING;
    this.#startedMs[fd] = startedMs;
    counters[COUNTER.inFlight]! += 1;
    const added = this.#shard.epoll.add(fd, EVENTS);
    if (added < 0) this.#fail(fd, PHASE.register, -added);
  }

  #handle(fd: number, events: number): void {
    // An earlier event of this batch may have closed the descriptor.
    if (this.#states[fd] === NONE) return;
    if (this.#states[fd] === CONNECTING) {
      if (events & (EPOLLERR | EPOLLHUP)) {
        const errno = takeSocketError(fd);
        if (errno !== 0) {
          this.#fail(fd, PHASE.connect, errno);
          return;
        }
      }
      if (!(events & (EPOLLOUT | EPOLLIN))) return;
      this.#established(fd);
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) this.#read(fd, (events & EPOLLRDHUP) !== 0);
    if (events & EPOLLOUT && this.#states[fd] === OPEN) this.#sender?.resume(fd);
  }

  #established(fd: number): void {
    const counters = this.#counters;
    counters[COUNTER.established]! += 1;
    counters[COUNTER.open]! += 1;
    this.#plan.histograms.connect.record(toMicros((performance.now() - this.#startedMs[fd]!) * 1000));
    this.#states[fd] = GREETING;
    if (this.#shared[SHARED.peerGreets] === 0) this.#settle(fd);
    this.#sender?.open(fd);
    if (this.#plan.narrates) this.#shard.tell({ type: "opened", ...localAddress(fd) });
  }

  /** No longer in flight: the connection is open. */
  #settle(fd: number): void {
    this.#states[fd] = OPEN;
    this.#counters[COUNTER.inFlight]! -= 1;
  }

  /** Reads all there is: events are edge-triggered. */
  #read(fd: number, hasEnded: boolean): void {
    const counters = this.#counters;
    const size = this.#buffer.bytes.length;
    for (;;) {
      const received = receive(fd, this.#buffer);
      if (received <= 0) {
        if (received !== -EAGAIN) this.#lose(fd, -received);
        return;
      }
      counters[COUNTER.receivedBytes]! += received;
      this.#firstByte(fd);
      this.#sender?.receive(fd, this.#buffer.bytes, received);
      if (this.#plan.narrates) {
        this.#shard.tell({ type: "received", text: this.#buffer.bytes.toString("utf8", 0, received) });
      }
      if (received < size && !hasEnded) return;
    }
  }

  #firstByte(fd: number): void {
    const startedMs = this.#startedMs[fd]!;
    if (startedMs === 0) return;
    this.#startedMs[fd] = 0;
    this.#plan.histograms.firstByte.record(toMicros((performance.now() - startedMs) * 1000));
    if (this.#states[fd] === GREETING) this.#settle(fd);
    else if (!this.#sender) this.#shared[SHARED.peerGreets] = 1;
  }

  #fail(fd: number, phase: number, errno: number): void {
    this.#counters[COUNTER.inFlight]! -= 1;
    this.#counters[COUNTER.failed]! += 1;
    this.#shard.memory.countFailure(phase, errno);
    this.#close(fd);
  }

  /** The peer or the network ended an open connection. @param errno 0 for the peer's FIN */
  #lose(fd: number, errno: number): void {
    if (this.#states[fd] === GREETING) this.#settle(fd);
    this.#counters[COUNTER.open]! -= 1;
    this.#counters[COUNTER.lost]! += 1;
    this.#shard.memory.countFailure(PHASE.hold, errno);
    this.#close(fd);
  }

  #close(fd: number): void {
    this.#states[fd] = NONE;
    closeFd(fd);
  }

  /** Closes `count` open connections, the highest descriptors first, to follow a schedule downwards. */
  #retire(count: number): void {
    let left = count;
    for (let fd = this.#highestFd; fd >= 0 && left > 0; fd--) {
      if (this.#states[fd] !== OPEN) continue;
      this.#states[fd] = NONE;
      this.#plan.reset ? resetFd(fd) : closeFd(fd);
      this.#counters[COUNTER.open]! -= 1;
      this.#counters[COUNTER.retired]! += 1;
      left--;
    }
  }

  /** Gives up on handshakes past their time, and on greetings that keep the others waiting. */
  #expire(): void {
    const now = performance.now();
    if (now < this.#nextCheckMs) return;
    this.#nextCheckMs = now + Math.min(CHECK_EVERY_MS, this.#plan.connectTimeoutMs / 4);
    for (let fd = 0; fd <= this.#highestFd; fd++) {
      const state = this.#states[fd];
      if (state === CONNECTING && now - this.#startedMs[fd]! >= this.#plan.connectTimeoutMs) {
        this.#fail(fd, PHASE.connect, ETIMEDOUT);
      } else if (state === GREETING && now - this.#startedMs[fd]! >= GREETING_PATIENCE_MS) {
        this.#shared[SHARED.peerGreets] = 0;
        this.#settle(fd);
      }
    }
  }

  /** How long the loop may sleep: until the next time-out check or the next message, or for ever. */
  #patienceMs(): number {
    const now = performance.now();
    const untilCheck = this.#counters[COUNTER.inFlight]! > 0 ? this.#nextCheckMs - now : Number.POSITIVE_INFINITY;
    const untilMessage = this.#sender?.nextDueInMs(this.#highestFd) ?? Number.POSITIVE_INFINITY;
    const patience = Math.min(untilCheck, untilMessage);
    return patience === Number.POSITIVE_INFINITY ? -1 : Math.max(0, Math.ceil(patience));
  }

  #tellWhenSettled(wanted: number): void {
    const begun = this.#begun;
    if (begun < wanted || this.#counters[COUNTER.inFlight]! > 0 || this.#settledAt === wanted) return;
    this.#settledAt = wanted;
    this.#counters[COUNTER.lastSettledAt] = performance.timeOrigin + performance.now();
    this.#shard.tell({ type: "settled" });
  }

  #closeAll(): void {
    const { epoll } = this.#shard;
    // The set goes first: the closing of each socket is then spared the removal from it.
    epoll.close();
    for (let fd = 0; fd <= this.#highestFd; fd++) {
      if (this.#states[fd] === NONE) continue;
      this.#plan.reset ? resetFd(fd) : closeFd(fd);
      // Asked again while closing: leave the rest to the kernel.
      if (this.#shard.command === COMMAND.abort) return;
    }
  }
}

runShard<ConnectPlan, ConnectMessage>((shard) => new ConnectShard(shard).run());
