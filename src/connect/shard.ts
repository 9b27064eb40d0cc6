// A client shard: one thread that opens its share of the plan's connections, holds them and closes them.
// One loop; state in typed arrays by descriptor; nothing is thrown and no object made for an event.
import { ConnectionTable, FREE } from "../engine/connection-table.js";
import { toMicros } from "../engine/latency.js";
import { runShard, type Shard, WAKE_UP } from "../engine/shard.js";
import { COMMAND, CONTROL, PHASE } from "../engine/shard-memory.js";
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../sys/constants.js";
import { EAGAIN, EMFILE, ETIMEDOUT } from "../sys/errno.js";
import { NativeBuffer } from "../sys/libc.js";
import { localAddress, takeSocketError } from "../sys/socket.js";
import { DestinationTally } from "./destination-tally.js";
import { LossAges } from "./loss-ages.js";
import { MessageSender } from "./message-sender.js";
import { Opener } from "./opener.js";
import { COUNTER, type ConnectMessage, type ConnectPlan, SHARED } from "./protocol.js";

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
// A peer that greeted others and lets one wait must not hold up the rest.
const GREETING_PATIENCE_MS = 1000;
const CHECK_EVERY_MS = 100;
const SLOTS_SPARE = 1024;

class ConnectShard {
  private readonly shard: Shard<ConnectPlan, ConnectMessage>;
  private readonly plan: ConnectPlan;
  private readonly counters: Float64Array;
  private readonly shared: Int32Array;
  private readonly opener: Opener;
  private readonly sender: MessageSender | undefined;
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
    this.sender = message && new MessageSender(this.table, message, memory, histograms.roundTrip, slots, plan.share);
    this.startedMs = new Float64Array(slots);
    this.tally = plan.tally && new DestinationTally(plan.tally);
    this.destinations = new Uint16Array(this.tally ? slots : 0);
    this.triesLeft = plan.tries - 1;
    this.ages = new LossAges(this.counters, slots);
  }

  run(): void {
    const { epoll, memory } = this.shard;
    this.shard.tell({ type: "ready" });
    while (this.shard.command === COMMAND.run) {
      const wanted = Atomics.load(memory.control, CONTROL.target);
      const mayOpenMore = this.follow(wanted);
      // Before the wait: when the last attempts have failed at once, no event will come.
      this.tellWhenSettled(wanted);
      const ready = epoll.wait(mayOpenMore ? 0 : this.patienceMs());
      this.nowMs = performance.now();
      for (let i = 0; i < ready; i++) {
        const slot = epoll.readyData(i);
        if (slot === WAKE_UP) this.shard.wokenUp();
        else this.handle(slot, epoll.readyEvents(i));
      }
      this.table.recycle();
      if (this.counters[COUNTER.inFlight]! > 0) this.expire();
      this.sender?.sendDue(performance.now(), this.table.end, this.isOpen);
    }
    if (this.shard.command === COMMAND.stop) this.closeAll();
  }

  /** Connections begun and not closed again to follow the schedule: what `wanted` is compared with. */
  private get begun(): number {
    return this.counters[COUNTER.started]! - this.counters[COUNTER.retired]!;
  }

  /** Opens or closes a batch towards `wanted`. @returns whether there is more to do right now */
  private follow(wanted: number): boolean {
    // Those that failed or were lost cannot be closed: what is open decides how far it goes down.
    const excess = Math.min(this.begun - wanted, this.counters[COUNTER.open]! - wanted);
    if (excess > 0) this.retire(excess);
    for (let n = 0; n < OPEN_AT_ONCE; n++) {
      if (!this.mayOpen(wanted)) return false;
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
        if (errno !== 0) {
          this.fail(slot, PHASE.connect, errno);
          return;
        }
      }
      if (!(events & (EPOLLOUT | EPOLLIN))) return;
      this.established(slot);
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) this.read(slot, (events & EPOLLRDHUP) !== 0);
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
    if (this.shared[SHARED.peerGreets] === 0) this.settle(slot);
    this.sender?.open(slot);
    if (this.plan.narrates) this.shard.tell({ type: "opened", ...localAddress(this.table.descriptor(slot)) });
  }

  /** No longer in flight: the connection is open. */
  private settle(slot: number): void {
    this.table.setState(slot, OPEN);
    this.counters[COUNTER.inFlight]! -= 1;
  }

  /** Reads all there is: events are edge-triggered. */
  private read(slot: number, hasEnded: boolean): void {
    const counters = this.counters;
    const size = this.buffer.bytes.length;
    for (;;) {
      const received = this.table.receive(slot, this.buffer);
      if (received <= 0) {
        if (received !== -EAGAIN) this.lose(slot, -received);
        return;
      }
      counters[COUNTER.receivedBytes]! += received;
      this.firstByte(slot);
      this.sender?.receive(slot, this.buffer.bytes, received);
      if (this.plan.narrates) {
        this.shard.tell({ type: "received", text: this.buffer.bytes.toString("utf8", 0, received) });
      }
      // A greeting may have been all that was wanted.
      if (this.table.state(slot) === FREE || (received < size && !hasEnded)) return;
    }
  }

  private firstByte(slot: number): void {
    const startedMs = this.startedMs[slot]!;
    if (startedMs === 0) return;
    this.startedMs[slot] = 0;
    this.plan.histograms.firstByte.record(toMicros((this.nowMs - startedMs) * 1000));
    if (this.table.state(slot) === GREETING) this.settle(slot);
    else if (!this.sender) this.shared[SHARED.peerGreets] = 1;
    if (this.plan.closesGreeted) this.part(slot);
  }

  /** Closes an open connection that has done what it was for; it counts as begun all the same. */
  private part(slot: number): void {
    this.table.close(slot, this.plan.reset);
    this.counters[COUNTER.open]! -= 1;
  }

  private fail(slot: number, phase: number, errno: number): void {
    this.tally?.failed(this.destinations[slot]!, phase, errno);
    this.countFailed(phase, errno);
    this.table.close(slot);
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
    for (let slot = this.table.end - 1; slot >= 0 && left > 0; slot--) {
      if (!this.isOpen(slot)) continue;
      this.sender?.end(slot);
      this.part(slot);
      this.counters[COUNTER.retired]! += 1;
      left--;
    }
  }

  /** Gives up on handshakes past their time, and on greetings that keep the others waiting. */
  private expire(): void {
    const now = this.nowMs;
    if (now < this.nextCheckMs) return;
    this.nextCheckMs = now + Math.min(CHECK_EVERY_MS, this.plan.connectTimeoutMs / 4);
    for (let slot = 0; slot < this.table.end; slot++) {
      const state = this.table.state(slot);
      if (state === CONNECTING && now - this.startedMs[slot]! >= this.plan.connectTimeoutMs) {
        this.fail(slot, PHASE.connect, ETIMEDOUT);
      } else if (state === GREETING && now - this.startedMs[slot]! >= GREETING_PATIENCE_MS) {
        this.shared[SHARED.peerGreets] = 0;
        this.settle(slot);
      }
    }
  }

  /** How long the loop may sleep: until the next time-out check or the next message, or for ever. */
  private patienceMs(): number {
    const now = performance.now();
    const untilCheck = this.counters[COUNTER.inFlight]! > 0 ? this.nextCheckMs - now : Number.POSITIVE_INFINITY;
    const untilMessage = this.sender?.nextDueInMs() ?? Number.POSITIVE_INFINITY;
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

  private closeAll(): void {
    this.ages.countKept(this.table, (slot) => this.isOpen(slot) || this.table.state(slot) === GREETING);
    // The epoll set goes first: what the closing makes of the others is of no interest any more.
    this.shard.epoll.close();
    this.table.closeAll(this.plan.reset, () => this.shard.command === COMMAND.abort);
  }
}

await runShard<ConnectPlan, ConnectMessage>((shard) => new ConnectShard(shard).run());
