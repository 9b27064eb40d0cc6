// Turns the next free 4-tuple of the plan into a socket that is connecting: socket, options, bind, connect.

import { PHASE } from "../engine/worker-memory.js";
import { readLocalPortRange } from "../linux/proc/local-ports.js";
import { EADDRINUSE, EADDRNOTAVAIL, EINPROGRESS } from "../linux/syscalls/errno.js";
import { SocketAddress } from "../linux/syscalls/sockaddr.js";
import {
  allowAddressReuse,
  allowOnlyPort,
  bindTo,
  closeFd,
  connectTo,
  delayPortChoice,
  openTcp,
} from "../linux/syscalls/socket.js";
import { type PlannedTuple, TuplePlanner } from "../planning/tuple-plan.js";
import { formatIp } from "../util/address.js";
import { type ConnectPlan, SHARED } from "./worker-plan.js";

/** Several shards take tuples from the same plan: a cursor that they share says which is next. */
export class Opener {
  /** Tuples passed over because something else has their port. */
  skipped = 0;
  /** The PHASE in which the last open() failed. */
  failedPhase = 0;
  /** The last tuple whose source address is not this host's; -1 while there was none. */
  unbound = -1;
  /** Of the tuple that the last open() took: its destination's number in the plan, -1 when there was none. */
  destination = -1;
  /** A tuple for which there was no socket: it is the next one's. */
  private unused = -1;
  private readonly planner: TuplePlanner;
  private readonly cursor: Int32Array;
  private readonly kernelPicksPort: boolean;
  /** A port that the kernel chooses may be the destination's own: where nobody listens there, the connection meets itself. */
  readonly mayMeetItself: boolean;
  private readonly reusesTuples: boolean;
  private readonly ephemeral = readLocalPortRange();
  private readonly destinations: SocketAddress[][];
  /** The number of each group's first destination. */
  private readonly firstDestinations: number[];
  private readonly sources: { address: SocketAddress; current: number; isAny: boolean }[];

  constructor(plan: ConnectPlan) {
    this.planner = new TuplePlanner(plan.tuples);
    this.cursor = new Int32Array(plan.shared);
    this.reusesTuples = plan.reusesTuples;
    this.kernelPicksPort = plan.tuples.ports.chosenBy === "kernel";
    const { groups } = plan.tuples;
    const { first = 1, last = 65_535 } = this.ephemeral ?? {};
    this.mayMeetItself =
      this.kernelPicksPort &&
      groups.some(({ destinations }) => destinations.some(({ port }) => port >= first && port <= last));
    this.destinations = groups.map((group) => group.destinations.map(({ ip, port }) => new SocketAddress(ip, port)));
    this.firstDestinations = groups.map((_, group) =>
      groups.slice(0, group).reduce((sum, { destinations }) => sum + destinations.length, 0),
    );
    this.sources = groups.map((_, group) => {
      const ip = this.planner.sourceIp(group, 0);
      return { address: new SocketAddress(ip, 0), current: 0, isAny: ip.bytes.every((byte) => byte === 0) };
    });
  }

  /** @returns a connecting descriptor, or a negative errno whose step is in failedPhase */
  open(): number {
    this.destination = -1;
    for (let tried = 0; ; tried++) {
      const next = this.nextIndex();
      if (this.reusesTuples ? tried >= this.planner.count : next >= this.planner.count) {
        // Given back, so that the cursor does not run on until it wraps.
        Atomics.sub(this.cursor, SHARED.cursor, 1);
        this.destination = -1;
        return this.fail(PHASE.bind, -EADDRNOTAVAIL);
      }
      const index = next % this.planner.count;
      const tuple = this.planner.at(index);
      const destination = this.destinations[tuple.group]![tuple.destination]!;
      this.destination = this.firstDestinations[tuple.group]! + tuple.destination;
      if (this.isSelf(tuple)) {
        this.skipped++;
        continue;
      }
      const fd = openTcp(destination.family);
      if (fd < 0) {
        this.unused = index;
        return this.fail(PHASE.socket, fd);
      }
      const bound = this.bind(fd, tuple);
      if (bound < 0) {
        closeFd(fd);
        if (bound === -EADDRNOTAVAIL) this.unbound = index;
        if (bound !== -EADDRINUSE) return this.fail(PHASE.bind, bound);
        this.skipped++;
        continue;
      }
      const result = connectTo(fd, destination);
      if (result < 0 && result !== -EINPROGRESS) {
        closeFd(fd);
        // A tuple of our own choice that exists already (an old connection, a TIME_WAIT) makes way for the next.
        if (result !== -EADDRNOTAVAIL || this.kernelPicksPort) return this.fail(PHASE.connect, result);
        this.skipped++;
        continue;
      }
      return fd;
    }
  }

  private nextIndex(): number {
    const index = this.unused;
    this.unused = -1;
    // Unsigned: opening and closing all night goes past 2^31, and round.
    return index >= 0 ? index : Atomics.add(this.cursor, SHARED.cursor, 1) >>> 0;
  }

  /** A socket bound to the very address it connects to would connect to itself (RFC 9293, simultaneous open). */
  private isSelf({ group, source, sourcePort, destination }: PlannedTuple): boolean {
    const to = this.planner.destination(group, destination);
    return sourcePort === to.port && formatIp(this.planner.sourceIp(group, source)) === formatIp(to.ip);
  }

  private bind(fd: number, tuple: PlannedTuple): number {
    const source = this.sources[tuple.group]!;
    // Neither address nor port asked for: connect() chooses both.
    if (source.isAny && tuple.sourcePort === 0) return 0;
    if (source.current !== tuple.source) {
      source.address.setIp(this.planner.sourceIp(tuple.group, tuple.source));
      source.current = tuple.source;
    }
    const leavesPort = this.kernelPicksPort || this.sharesPort(fd, tuple.sourcePort);
    source.address.setPort(leavesPort ? 0 : tuple.sourcePort);
    const option = leavesPort ? delayPortChoice(fd) : 0;
    return option < 0 ? option : bindTo(fd, source.address);
  }

  /**
   * The kernel gives a port that is bound by its number to no other connect(), whatever the address: a run over all ephemeral
   * ports would leave none to the whole network namespace. So connect() is made to choose the one we want.
   */
  private sharesPort(fd: number, port: number): boolean {
    // Services that start later may bind it all the same.
    allowAddressReuse(fd);
    if (!this.ephemeral) return false;
    const { first, last } = this.ephemeral;
    return port >= first && port <= last && allowOnlyPort(fd, port) >= 0;
  }

  private fail(phase: number, error: number): number {
    this.failedPhase = phase;
    return error;
  }
}
