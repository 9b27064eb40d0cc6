// A client shard: one thread that opens its share of the plan's connections, holds them and closes them.
// One loop; state in typed arrays by descriptor; nothing is thrown and no object made for an event.
import { ConnectionTable, FREE } from "../engine/connection-table.js";
import { toMicros } from "../engine/latency.js";
import { SlotQueue } from "../engine/slot-queue.js";
import { runShards, type Shard, WAKE_UP } from "../engine/worker.js";
import { COMMAND, CONTROL, PHASE, TARGET_AS_IT_IS } from "../engine/worker-memory.js";
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../linux/syscalls/constants.js";
import { EAGAIN, ECONNRESET, EMFILE, EPIPE, ETIMEDOUT } from "../linux/syscalls/errno.js";
import { NativeBuffer } from "../linux/syscalls/libc.js";
import { isItsOwnPeer, localAddress, takeSocketError } from "../linux/syscalls/socket.js";
import { DestinationTally } from "./evidence/destination-counts.js";
import { LossAges } from "./evidence/loss-stats.js";
import { Greetings } from "./greetings.js";
import { MessageSender } from "./messages/sender.js";
import { Opener } from "./opener.js";
import { ProxySender } from "./proxy-sender.js";
import { RampTimes } from "./ramp/waits.js";
import { COUNTER, type ConnectMessage, type ConnectPlan, SELF, SHARED } from "./worker-plan.js";

// A connection's state. GREETING is ESTABLISHED, and in flight until the greeting that this peer is known to send.
const CONNECTING = 1;
const GREETING = 2;
const OPEN = 3;

const EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
// Few enough that a handshake's end is seen soon, many enough that epoll_wait costs little.
const OPEN_AT_ONCE = 16;
const READ_BYTES = 16 * 1024;
// The article's client reads 512 bytes at a time, and says so for each time.
const ARTICLE_READ_BYTES = 512;
// Shares of a turn: the rest waits for later ones, so that no peer holds the thread, and a command is answered at once.
const READS_AT_ONCE = 4;
const LEFTOVERS_AT_ONCE = 64;
const RETIRED_AT_ONCE = 256;
const CHECKED_AT_ONCE = 16_384;
/** Nobody has to be greeted sooner. */
const GREETING_GRACE_MS = 1000;
/** One that has waited so many times longer than the slowest was not overlooked by a moment. */
const GREETING_SLACK = 2;
const CHECK_EVERY_MS = 100;
// Texts that the main thread has not heard yet, at most.
const TOLD_AHEAD = 64;
const SLOTS_SPARE = 1024;

class ConnectShard {
  private readonly shard: Shard<ConnectPlan, ConnectMessage>;
  private readonly plan: ConnectPlan;
  private readonly counters: Float64Array;
  private readonly shared: Int32Array;
  private readonly opener: Opener;
  private readonly sender: MessageSender | undefined;
  private readonly proxy: ProxySender | undefined;
  private readonly buffer: NativeBuffer;
  private readonly table: ConnectionTable;
  private readonly isOpen = (slot: number): boolean => this.table.state(slot) === OPEN;
  /** When connect() was called, in milliseconds; 0 once the first byte has come. By slot. */
  private readonly startedMs: Float64Array;
  private readonly ages: LossAges;
  /** What came of each destination, and which a slot's is: 2 bytes a connection where there are several. */
  private readonly tally: DestinationTally | undefined;
  private readonly destinations: Uint16Array;
  /** Addresses of the name that an attempt may still go to. */
  private triesLeft: number;
  /** When the last wait ended: the time of all events that it brought. */
  private nowMs = 0;
  private nextCheckMs = 0;
  /** Where a check of all slots stands; -1 when none is under way. */
  private checkCursor = -1;
  /** No slot above is OPEN. */
  private highestOpen = -1;
  /** Connections that have had their share of a turn. */
  private readonly leftovers = new SlotQueue();
  private readonly greetings: Greetings;
  /** Of those in flight, how many wait for a greeting. */
  private greeting = 0;
  private readonly times: RampTimes;
  private told = 0;
  /** In flight at most: less than planned where handshakes alone fill the descriptor table. */
  private window: number;
  private settledAt = 0;

  constructor(shard: Shard<ConnectPlan, ConnectMessage>) {
    const { plan, memory } = shard;
    // Freed slots are used again, so there are never more than connections at a time.
    const slots = plan.share + SLOTS_SPARE;
    this.shard = shard;
    this.plan = plan;
    this.window = plan.window;
    this.counters = memory.counters;
    this.shared = new Int32Array(plan.shared);
    this.opener = new Opener(plan);
    this.buffer = new NativeBuffer(plan.narrates ? ARTICLE_READ_BYTES : READ_BYTES);
    this.table = new ConnectionTable({
      slots,
      parkable: OPEN,
      tableSize: plan.tableSize,
      parks: plan.parks,
      resetsParked: plan.reset,
    });
    const { message, histograms } = plan;
    this.proxy = plan.proxyProtocol && new ProxySender(plan.proxyProtocol);
    this.sender = message && new MessageSender(this.table, message, memory, histograms.roundTrip, slots, plan.share);
    this.startedMs = new Float64Array(slots);
    this.tally = plan.tally && new DestinationTally(plan.tally);
    this.destinations = new Uint16Array(this.tally ? slots : 0);
    this.triesLeft = plan.tries - 1;
    this.ages = new LossAges(this.counters, slots);
    this.greetings = new Greetings(this.shared, plan.closesGreeted);
    this.times = new RampTimes(this.counters);
  }

  run(): void {
    const { epoll, memory } = this.shard;
    this.shard.tell({ type: "ready" });
    while (this.shard.command === COMMAND.run) {
      const wanted = Atomics.load(memory.control, CONTROL.target);
      const mayOpenMore = this.follow(wanted);
      // Before the wait: when the last attempts have failed at once, no event will come.
      this.tellWhenSettled(wanted);
      const ready = epoll.wait(mayOpenMore || this.hasLeftovers ? 0 : this.patienceMs());
      this.nowMs = performance.now();
      const waitedFor = this.waitedFor(wanted);
      const passedMs = this.times.turn(this.nowMs, waitedFor);
      if (waitedFor === COUNTER.greetingMs && this.begun < wanted) this.greetings.held(this.nowMs, passedMs);
      for (let i = 0; i < ready; i++) {
        const slot = epoll.readyData(i);
        if (slot === WAKE_UP) this.shard.wokenUp();
        else this.handle(slot, epoll.readyEvents(i));
      }
      if (this.counters[COUNTER.inFlight]! > 0) this.expire();
      this.sender?.sendDue(performance.now(), this.table.end, this.isOpen);
      if (this.hasLeftovers) this.goOn();
      this.table.recycle();
    }
    if (this.shard.command === COMMAND.stop) this.closeAll();
  }

  /** Connections begun and not closed again to follow the schedule: what `wanted` is compared with. */
  private get begun(): number {
    return this.counters[COUNTER.started]! - this.counters[COUNTER.retired]!;
  }

  /** Opens or closes a batch towards `wanted`. @returns whether there is more to do right now */
  private follow(wanted: number): boolean {
    if (wanted === TARGET_AS_IT_IS) return false;
    // Those that failed or were lost cannot be closed: what is open decides how far it goes down.
    const excess = Math.min(this.begun - wanted, this.counters[COUNTER.open]! - wanted);
    if (excess > 0) this.retire(Math.min(excess, RETIRED_AT_ONCE));
    for (let n = 0; n < OPEN_AT_ONCE; n++) {
      if (!this.mayOpen(wanted)) return excess > RETIRED_AT_ONCE;
      this.openOne();
    }
    return this.mayOpen(wanted);
  }

  private mayOpen(wanted: number): boolean {
    return this.begun < wanted && this.counters[COUNTER.inFlight]! < this.window;
  }

  private openOne(): void {
    const counters = this.counters;
    // In flight first: the main thread takes "begun, and nothing in flight" for the end of a ramp.
    counters[COUNTER.inFlight]! += 1;
    counters[COUNTER.started]! += 1;
    const startedMs = performance.now();
    if (counters[COUNTER.firstBegunAt] === 0) counters[COUNTER.firstBegunAt] = performance.timeOrigin + startedMs;
    let fd = this.opener.open();
    // A full descriptor table makes room by parking connections that are open already.
    if (fd === -EMFILE && this.table.park() > 0) fd = this.opener.open();
    counters[COUNTER.skippedTuples] = this.opener.skipped;
    if (fd === -EMFILE && counters[COUNTER.inFlight]! > 1) {
      // Handshakes have all the descriptors: their end makes room, so no more of them at once than there are now.
      counters[COUNTER.started]! -= 1;
      counters[COUNTER.inFlight]! -= 1;
      this.window = counters[COUNTER.inFlight]!;
      return;
    }
    if (fd < 0) {
      this.tally?.failed(this.opener.destination, this.opener.failedPhase, -fd);
      if (this.opener.failedPhase === PHASE.connect) this.shard.memory.countAtOnce(-fd);
      if (this.opener.unbound >= 0) counters[COUNTER.unboundTuple] = this.opener.unbound + 1;
      this.countFailed(this.opener.failedPhase, -fd);
      return;
    }
    const slot = this.table.add(fd, CONNECTING);
    if (this.tally) this.destinations[slot] = this.opener.destination;
    this.startedMs[slot] = startedMs;
    const added = this.shard.epoll.add(fd, EVENTS, slot);
    if (added < 0) this.fail(slot, PHASE.register, -added);
  }

  private handle(slot: number, events: number): void {
    // An earlier event of this batch may have closed it.
    if (this.table.state(slot) === FREE) return;
    if (this.table.state(slot) === CONNECTING) {
      if (events & (EPOLLERR | EPOLLHUP)) {
        const errno = takeSocketError(this.table.descriptor(slot));
        // A SYN is refused with ECONNREFUSED: one that was reset had been ESTABLISHED, and its peer may have spoken.
        if (errno === ECONNRESET || errno === EPIPE) {
          this.established(slot);
          this.read(slot, true, errno);
          return;
        }
        if (errno !== 0) {
          this.fail(slot, PHASE.connect, errno);
          return;
        }
      }
      if (!(events & (EPOLLOUT | EPOLLIN))) return;
      if (this.opener.mayMeetItself && isItsOwnPeer(this.table.descriptor(slot))) {
        // By RST: a TIME_WAIT of both ends would keep the port from the server.
        this.fail(slot, PHASE.connect, SELF, true);
        return;
      }
      this.established(slot);
    }
    // One that waits for a turn of its own reads until the end then, whatever was reported.
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) && !this.leftovers.has(slot)) {
      this.read(slot, (events & EPOLLRDHUP) !== 0);
    }
    if (events & EPOLLOUT && this.table.state(slot) === OPEN) this.sender?.resume(slot);
  }

  private established(slot: number): void {
    const counters = this.counters;
    counters[COUNTER.established]! += 1;
    counters[COUNTER.open]! += 1;
    this.plan.histograms.connect.record(toMicros((this.nowMs - this.startedMs[slot]!) * 1000));
    this.ages.established(slot, this.nowMs);
    this.tally?.established(this.destinations[slot]!);
    this.table.setState(slot, GREETING);
    this.greeting++;
    if (!this.greetings.areAwaited) this.settle(slot);
    this.sender?.open(slot);
    if (this.proxy) this.sendProxyHeader(slot, this.proxy);
    if (this.plan.narrates) this.shard.tell({ type: "opened", ...localAddress(this.table.descriptor(slot)) });
  }

  private sendProxyHeader(slot: number, proxy: ProxySender): void {
    const sent = proxy.send(this.table.descriptor(slot));
    if (sent > 0) this.counters[COUNTER.sentBytes]! += sent;
    // What ended the connection is told by epoll too, and counted there.
    else this.shard.memory.countFailure(PHASE.send, -sent);
  }

  /** No longer in flight: the connection is open. */
  private settle(slot: number): void {
    this.table.setState(slot, OPEN);
    this.greeting--;
    if (slot > this.highestOpen) this.highestOpen = slot;
    this.counters[COUNTER.inFlight]! -= 1;
  }

  /** Whether connections may go on that have had their share of a turn. */
  private get hasLeftovers(): boolean {
    return this.leftovers.length > 0 && !this.isAhead;
  }

  /** Whether the main thread has still to hear what a single connection has read. */
  private get isAhead(): boolean {
    const { memory } = this.shard;
    return this.plan.narrates && this.told - Atomics.load(memory.control, CONTROL.heard) >= TOLD_AHEAD;
  }

  private goOn(): void {
    for (let n = Math.min(this.leftovers.length, LEFTOVERS_AT_ONCE); n > 0; n--) {
      const slot = this.leftovers.shift();
      // It may have been closed, or be another connection's, since.
      const state = this.table.state(slot);
      if (state === OPEN || state === GREETING) this.read(slot, true);
    }
  }

  /**
   * Reads all there is, up to a connection's share of a turn: events are edge-triggered.
   *
   * @param endedBy the error that ended it, where the socket no longer tells
   */
  private read(slot: number, hasEnded: boolean, endedBy = 0): void {
    const counters = this.counters;
    const size = this.buffer.bytes.length;
    for (let n = 0; n < READS_AT_ONCE && !this.isAhead; n++) {
      const received = this.table.receive(slot, this.buffer);
      if (received <= 0) {
        if (received !== -EAGAIN) this.lose(slot, received === 0 ? endedBy : -received);
        return;
      }
      counters[COUNTER.receivedBytes]! += received;
      this.firstByte(slot);
      this.sender?.receive(slot, this.buffer.bytes, received);
      if (this.plan.narrates) {
        this.told++;
        this.shard.tell({ type: "received", text: this.buffer.bytes.toString("utf8", 0, received) });
      }
      // A greeting may have been all that was wanted.
      if (this.table.state(slot) === FREE || (received < size && !hasEnded)) return;
    }
    this.leftovers.push(slot);
  }

  private firstByte(slot: number): void {
    const startedMs = this.startedMs[slot]!;
    if (startedMs === 0) return;
    this.startedMs[slot] = 0;
    // An answer is timed from its message, and does not say that the peer speaks first.
    if (!this.sender?.awaitsAnswer(slot)) {
      this.plan.histograms.firstByte.record(toMicros((this.nowMs - startedMs) * 1000));
    }
    this.counters[COUNTER.greeted]! += 1;
    if (this.table.state(slot) === GREETING) {
      this.greetings.came(this.nowMs);
      this.settle(slot);
    } else if (!this.sender) {
      const waitedMs = this.ages.heldMs(slot, this.nowMs);
      this.greetings.cameUnawaited(waitedMs, this.nowMs - startedMs - waitedMs);
    }
    if (this.plan.closesGreeted) this.part(slot);
  }

  /** Closes an open connection that has done what it was for; it counts as begun all the same. */
  private part(slot: number): void {
    this.table.close(slot, this.plan.reset);
    this.counters[COUNTER.open]! -= 1;
  }

  private fail(slot: number, phase: number, errno: number, reset = false): void {
    this.tally?.failed(this.destinations[slot]!, phase, errno);
    this.countFailed(phase, errno);
    this.table.close(slot, reset);
  }

  /** An attempt in flight has failed: it is counted, or makes way for one to the name's next address. */
  private countFailed(phase: number, errno: number): void {
    if (this.triesLeft > 0) {
      this.triesLeft--;
      // Before it leaves: the main thread takes "begun, and nothing in flight" for the end of a ramp.
      this.counters[COUNTER.started]! -= 1;
    } else {
      this.counters[COUNTER.failed]! += 1;
      this.shard.memory.countFailure(phase, errno);
    }
    this.counters[COUNTER.inFlight]! -= 1;
  }

  /** The peer or the network ended an open connection. @param errno 0 for the peer's FIN */
  private lose(slot: number, errno: number): void {
    if (this.table.state(slot) === GREETING) this.settle(slot);
    this.counters[COUNTER.open]! -= 1;
    this.counters[COUNTER.lost]! += 1;
    this.shard.memory.countFailure(PHASE.hold, errno);
    this.ages.lost(slot, this.nowMs);
    this.sender?.end(slot);
    this.table.close(slot);
  }

  /** Closes `count` open connections, the highest slots first, to follow a schedule downwards. */
  private retire(count: number): void {
    let left = count;
    for (; this.highestOpen >= 0 && left > 0; this.highestOpen--) {
      const slot = this.highestOpen;
      if (!this.isOpen(slot)) continue;
      this.sender?.end(slot, true);
      this.part(slot);
      this.counters[COUNTER.retired]! += 1;
      left--;
    }
  }

  /** Gives up on handshakes past their time, and on greetings that keep the others waiting: some slots a turn. */
  private expire(): void {
    const now = this.nowMs;
    if (this.checkCursor < 0) {
      if (now < this.nextCheckMs) return;
      this.nextCheckMs = now + Math.min(CHECK_EVERY_MS, this.plan.connectTimeoutMs / 4);
      this.checkCursor = 0;
    }
    const first = this.checkCursor;
    const end = Math.min(first + CHECKED_AT_ONCE, this.table.end);
    for (let slot = first; slot < end; slot++) {
      const state = this.table.state(slot);
      if (state === CONNECTING && now - this.startedMs[slot]! >= this.plan.connectTimeoutMs) {
        this.fail(slot, PHASE.connect, ETIMEDOUT);
      } else if (state === GREETING && this.greetings.gaveUp(this.ages.heldMs(slot, now))) this.settle(slot);
    }
    this.checkCursor = end < this.table.end ? end : -1;
  }

  /** What holds the ramp back now, as a place among the counters; -1 when it has not begun, or has ended. */
  private waitedFor(wanted: number): number {
    const { counters, plan } = this;
    const inFlight = counters[COUNTER.inFlight]!;
    if (counters[COUNTER.firstBegunAt] === 0) return -1;
    if (this.begun >= wanted) {
      if (wanted < plan.share) return COUNTER.paceMs;
      if (inFlight === 0) return -1;
      // The last handshakes are the peer's time.
      return this.greeting * 2 > inFlight ? COUNTER.greetingMs : COUNTER.rampedMs;
    }
    if (inFlight < this.window) return COUNTER.busyMs;
    if (this.greeting * 2 > inFlight) return COUNTER.greetingMs;
    return this.window < plan.window ? COUNTER.descriptorMs : COUNTER.windowMs;
  }

  /** How long the loop may sleep: until the next time-out check or the next message, or for ever. */
  private patienceMs(): number {
    if (this.checkCursor >= 0) return 0;
    const now = performance.now();
    const untilCheck = this.counters[COUNTER.inFlight]! > 0 ? this.nextCheckMs - now : Number.POSITIVE_INFINITY;
    const untilMessage = this.sender?.nextDueInMs(this.isOpen) ?? Number.POSITIVE_INFINITY;
    const patience = Math.min(untilCheck, untilMessage);
    return patience === Number.POSITIVE_INFINITY ? -1 : Math.max(0, patience);
  }

  private tellWhenSettled(wanted: number): void {
    const begun = this.begun;
    if (begun < wanted || this.counters[COUNTER.inFlight]! > 0 || this.settledAt === wanted) return;
    this.settledAt = wanted;
    this.counters[COUNTER.lastSettledAt] = performance.timeOrigin + performance.now();
    this.shard.tell({ type: "settled" });
  }

  /** Which of those that are open have not been greeted, where others were. Messages are no questions to ask a greeter. */
  private countUngreeted(): void {
    const { firstByte } = this.plan.histograms;
    if (this.sender || this.plan.closesGreeted || firstByte.count === 0) return;
    const graceMs = Math.max(GREETING_GRACE_MS, (GREETING_SLACK * firstByte.max) / 1000);
    const now = performance.now();
    for (let slot = 0; slot < this.table.end; slot++) {
      const state = this.table.state(slot);
      if ((state !== OPEN && state !== GREETING) || this.startedMs[slot] === 0) continue;
      const counter = now - this.startedMs[slot]! >= graceMs ? COUNTER.ungreeted : COUNTER.awaitingGreeting;
      this.counters[counter]! += 1;
    }
  }

  private closeAll(): void {
    this.countUngreeted();
    this.sender?.finish(this.shared[SHARED.answerPatienceMs]!);
    this.ages.countKept(this.table, (slot) => this.isOpen(slot) || this.table.state(slot) === GREETING);
    // The epoll set goes first: what the closing makes of the others is of no interest any more.
    this.shard.epoll.close();
    this.table.closeAll(this.plan.reset, () => this.shard.command === COMMAND.abort);
  }
}

await runShards<ConnectPlan, ConnectMessage>((shard) => new ConnectShard(shard).run());
