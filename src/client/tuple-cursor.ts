// The 4-tuples of a client's plan, one after the other: several workers take them from the same plan, and a cursor that they share says
// which is next.
import { readLocalPortRange } from "../linux/proc/local-ports.js";
import { SocketAddress } from "../linux/syscalls/sockaddr.js";
import { type PlannedTuple, TupleSequence } from "../planning/tuple-plan.js";
import type { TupleSource } from "../transport/tuple-source.js";
import { formatIp } from "../util/address.js";
import { type ConnectPlan, SHARED } from "./worker-plan.js";

/** The destination of a slot whose tuple is none. */
const NOWHERE = 0xffff;

export class TupleCursor implements TupleSource {
  readonly kernelPicksPort: boolean;
  readonly mayMeetItself: boolean;
  destination: SocketAddress;
  source: SocketAddress;
  sourcePort = 0;
  isUnbound = false;
  /** Tuples passed over because something else has their port. */
  skipped = 0;
  /** The last tuple whose source address is not this host's; -1 while there was none. */
  unbound = -1;
  /** A tuple for which there was no socket: it is the next one's. */
  private unused = -1;
  private readonly sequence: TupleSequence;
  private readonly cursor: Int32Array;
  private readonly reusesTuples: boolean;
  private readonly destinations: SocketAddress[][];
  /** The number of each group's first destination. */
  private readonly firstDestinations: number[];
  private readonly sources: { address: SocketAddress; current: number; isAny: boolean }[];
  /** By slot, the number of the destination: 2 bytes a connection where there are several. */
  private readonly bySlot: Uint16Array;

  /** @param slots that may ever be in use */
  constructor(
    plan: Pick<ConnectPlan, "tuples" | "shared" | "reusesTuples" | "destinationCounts" | "tls">,
    slots: number,
  ) {
    this.sequence = new TupleSequence(plan.tuples);
    this.cursor = new Int32Array(plan.shared);
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
        // Given back, so that the cursor does not run on until it wraps.
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

  /** The number in the plan of the destination of the connection in `slot`, where there are several; -1 when it has none. */
  destinationOf(slot: number): number {
    const destination = this.bySlot[slot]!;
    return destination === NOWHERE ? -1 : destination;
  }

  private nextIndex(): number {
    const index = this.unused;
    this.unused = -1;
    // Unsigned: opening and closing all night goes past 2^31, and round.
    return index >= 0 ? index : Atomics.add(this.cursor, SHARED.cursor, 1) >>> 0;
  }

  /** Lays a tuple out for the transport to read. */
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

  /** A socket bound to the very address it connects to would connect to itself (RFC 9293, simultaneous open). */
  private isSelf({ group, source, sourcePort, destination }: PlannedTuple): boolean {
    const to = this.sequence.destination(group, destination);
    return sourcePort === to.port && formatIp(this.sequence.sourceIp(group, source)) === formatIp(to.ip);
  }
}
