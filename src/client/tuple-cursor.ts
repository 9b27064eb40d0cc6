// Iterates over the 4-tuples of a client's plan. Workers share one plan, and a shared cursor points to the next tuple.
import { readLocalPortRange } from "../linux/proc/local-ports.js";
import { SocketAddress } from "../linux/syscalls/sockaddr.js";
import { type PlannedTuple, TupleSequence } from "../planning/tuple-plan.js";
import type { TupleSource } from "../transport/tuple-source.js";
import { formatIp } from "../util/address.js";
import { type ConnectPlan, SHARED } from "./worker-plan.js";

/** Destination number of a slot without a tuple. */
const NOWHERE = 0xffff;

export class TupleCursor implements TupleSource {
  readonly kernelPicksPort: boolean;
  readonly mayMeetItself: boolean;
  destination: SocketAddress;
  source: SocketAddress;
  sourcePort = 0;
  isUnbound = false;
  /** Number of tuples skipped because their port was in use or they would connect to themselves. */
  skipped = 0;
  /** Last tuple whose source address does not belong to this host; -1 if there was none. */
  unbound = -1;
  /**
   * Tuple that was given back because no socket was available, and that the next connection uses. -1 if there is none.
   */
  private unused = -1;
  private readonly sequence: TupleSequence;
  private readonly cursor: Int32Array;
  private readonly reusesTuples: boolean;
  private readonly destinations: SocketAddress[][];
  /** Number of the first destination in each group. */
  private readonly firstDestinations: number[];
  private readonly sources: { address: SocketAddress; current: number; isAny: boolean }[];
  /** Destination number by slot. This takes 2 bytes per connection, and is empty for a single destination. */
  private readonly bySlot: Uint16Array;

  /** @param slots number of slots that can ever be in use */
  constructor(
    plan: Pick<ConnectPlan, "tuples" | "shared" | "reusesTuples" | "destinationCounts" | "tls" | "packet">,
    slots: number,
  ) {
    this.sequence = new TupleSequence(plan.tuples);
    // With a TUN device, the worker has its own tuples, and therefore its own cursor.
    this.cursor = new Int32Array(plan.packet ? new SharedArrayBuffer(SHARED.words * 4) : plan.shared);
    this.reusesTuples = plan.reusesTuples;
    this.kernelPicksPort = plan.tuples.ports.chosenBy === "kernel";
    const { groups } = plan.tuples;
    const { first = 1, last = 65_535 } = readLocalPortRange() ?? {};
    this.mayMeetItself =
      this.kernelPicksPort &&
      groups.some(({ destinations }) => destinations.some(({ port }) => port >= first && port <= last));
    this.destinations = groups.map((group) => group.destinations.map(({ ip, port }) => new SocketAddress(ip, port)));
    this.firstDestinations = groups.map((_, group) =>
      groups.slice(0, group).reduce((sum, { destinations }) => sum + destinations.length, 0),
    );
    this.sources = groups.map((_, group) => {
      const ip = this.sequence.sourceIp(group, 0);
      return { address: new SocketAddress(ip, 0), current: 0, isAny: ip.bytes.every((byte) => byte === 0) };
    });
    this.destination = this.destinations[0]![0]!;
    this.source = this.sources[0]!.address;
    this.bySlot = new Uint16Array(plan.destinationCounts || (plan.tls && plan.tls.peers.length > 1) ? slots : 0);
  }

  take(slot: number, passedOver: number): number {
    if (passedOver > 0) this.skipped++;
    for (let tried = passedOver; ; tried++) {
      const next = this.nextIndex();
      if (this.reusesTuples ? tried >= this.sequence.count : next >= this.sequence.count) {
        // Undo the increment, so that the cursor does not run on until it wraps around.
        Atomics.sub(this.cursor, SHARED.cursor, 1);
        this.note(slot, NOWHERE);
        return -1;
      }
      const index = next % this.sequence.count;
      const tuple = this.sequence.at(index);
      if (this.isSelf(tuple)) {
        this.skipped++;
        continue;
      }
      this.lay(tuple, slot);
      return index;
    }
  }

  giveBack(tuple: number): void {
    this.unused = tuple;
  }

  cannotBind(tuple: number): void {
    this.unbound = tuple;
  }

  /**
   * Returns the destination number of the connection in `slot`, or -1 if it has no destination. The result is
   * meaningful only with several destinations.
   */
  destinationOf(slot: number): number {
    const destination = this.bySlot[slot]!;
    return destination === NOWHERE ? -1 : destination;
  }

  private nextIndex(): number {
    const index = this.unused;
    this.unused = -1;
    // The cursor is unsigned, because opening and closing connections for hours takes it past 2^31 and eventually
    // around.
    return index >= 0 ? index : Atomics.add(this.cursor, SHARED.cursor, 1) >>> 0;
  }

  /** Makes a tuple available to the transport. */
  private lay({ group, source, sourcePort, destination }: PlannedTuple, slot: number): void {
    const from = this.sources[group]!;
    this.destination = this.destinations[group]![destination]!;
    this.source = from.address;
    this.sourcePort = sourcePort;
    this.note(slot, this.firstDestinations[group]! + destination);
    this.isUnbound = from.isAny && sourcePort === 0;
    if (this.isUnbound || from.current === source) return;
    from.address.setIp(this.sequence.sourceIp(group, source));
    from.current = source;
  }

  private note(slot: number, destination: number): void {
    if (this.bySlot.length > 0) this.bySlot[slot] = destination;
  }

  /**
   * Returns whether source and destination are the same. Such a socket would connect to itself (simultaneous open, RFC
   * 9293).
   */
  private isSelf({ group, source, sourcePort, destination }: PlannedTuple): boolean {
    const to = this.sequence.destination(group, destination);
    return sourcePort === to.port && formatIp(this.sequence.sourceIp(group, source)) === formatIp(to.ip);
  }
}
