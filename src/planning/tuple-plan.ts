// Plans 4-tuples: (source addresses × source ports × destinations) as a numbered sequence. Tuples are computed rather
// than stored, so a plan of millions is cheap. The caller determines which addresses reach which destination; bind()
// and connect() determine whether a tuple is free.
import { addToIp, formatIp, type IpAddress } from "../util/address.js";
import type { AddressRange } from "../util/address-range.js";
import type { FourTuple, PortRange } from "../util/endpoint.js";

/** Source ports: a range to choose from, or the kernel's choice among `available` ports. */
export type SourcePorts =
  | {
      readonly chosenBy: "us";
      readonly range: PortRange;
      /** First port of each source address. */
      readonly startAt: number;
      /** Part of the range that contains startAt. The run uses this part first, wrapping around at its end. */
      readonly first?: PortRange;
      /** Ports of the range to skip: in ascending order, without duplicates, and fewer than all. */
      readonly except?: readonly number[];
    }
  | { readonly chosenBy: "kernel"; readonly available: number };

export interface Destination {
  readonly ip: IpAddress;
  readonly port: number;
}

/** Sources that can reach all of the destinations, in a single address family. */
export interface TupleGroup {
  readonly sources: readonly AddressRange[];
  readonly destinations: readonly Destination[];
}

/** Plain data that can be passed to a thread. */
export interface TuplePlan {
  readonly groups: readonly TupleGroup[];
  readonly ports: SourcePorts;
}

/** A planned tuple as indices. The port is 0 if the kernel chooses it. */
export interface PlannedTuple {
  group: number;
  source: number;
  sourcePort: number;
  destination: number;
}

/** Consecutive rounds in which the same groups take part. Each destination of these groups has one tuple per round. */
interface Rounds {
  /** Index of the first tuple. */
  readonly start: number;
  readonly firstRound: number;
  readonly groups: readonly number[];
  /** Number of destinations in these groups. */
  readonly width: number;
}

/** A plan's tuples by index. at() reuses the returned object, so read it before the next call. */
export class TupleSequence {
  /** Number of 4-tuples in the plan: the maximum number of connections ESTABLISHED at once. */
  readonly count: number;
  private readonly plan: TuplePlan;
  private readonly portCount: number;
  private readonly portAt: (step: number) => number;
  private readonly rounds: Rounds[] = [];
  private readonly sourceCounts: number[];
  private readonly current: PlannedTuple = { group: 0, source: 0, sourcePort: 0, destination: 0 };

  constructor(plan: TuplePlan) {
    this.plan = plan;
    this.portCount = portCount(plan.ports);
    this.portAt = portOrder(plan.ports);
    this.sourceCounts = plan.groups.map((group) => group.sources.reduce((sum, range) => sum + range.count, 0));
    this.count = this.layRounds();
  }

  /** @returns number of tuples in all rounds */
  private layRounds(): number {
    const roundsOf = this.sourceCounts.map((sources) => sources * this.portCount);
    let start = 0;
    let firstRound = 0;
    let groups = roundsOf.map((_, group) => group);
    while (groups.length > 0) {
      const width = groups.reduce((sum, group) => sum + this.plan.groups[group]!.destinations.length, 0);
      const end = Math.min(...groups.map((group) => roundsOf[group]!));
      this.rounds.push({ start, firstRound, groups, width });
      start += (end - firstRound) * width;
      firstRound = end;
      groups = groups.filter((group) => roundsOf[group]! > end);
    }
    return start;
  }

  /**
   * Returns the tuple at `index`. Destinations of all groups vary fastest, so that they fill evenly. With explicit
   * ports, all ports of a source address are used before the next address. If the kernel chooses ports, source
   * addresses alternate, because its search for a free port slows down as an address fills up.
   *
   * @param index 0 to count - 1
   */
  at(index: number): PlannedTuple {
    const tuple = this.current;
    let last = this.rounds.length - 1;
    while (index < this.rounds[last]!.start) last--;
    const { start, firstRound, groups, width } = this.rounds[last]!;
    let place = (index - start) % width;
    const round = firstRound + (index - start - place) / width;
    let at = 0;
    for (let size = this.sizeOf(groups[at]!); place >= size; size = this.sizeOf(groups[++at]!)) place -= size;
    tuple.group = groups[at]!;
    tuple.destination = place;
    if (this.plan.ports.chosenBy === "kernel") {
      tuple.source = round % this.sourceCounts[tuple.group]!;
      tuple.sourcePort = 0;
    } else {
      const step = round % this.portCount;
      tuple.source = (round - step) / this.portCount;
      tuple.sourcePort = this.portAt(step);
    }
    return tuple;
  }

  /**
   * Returns how many of its ports source address `source` of a group has used in the first `index` tuples. The result
   * is meaningful only if we choose the ports.
   */
  portsUsed(group: number, source: number, index: number): number {
    return Math.max(0, Math.min(this.roundsUsed(group, index) - source * this.portCount, this.portCount));
  }

  /**
   * Returns how many source addresses of a group the first `index` tuples use. The result is meaningful only if we
   * choose the ports.
   */
  sourcesUsed(group: number, index: number): number {
    return Math.ceil(this.roundsUsed(group, index) / this.portCount);
  }

  private roundsUsed(group: number, index: number): number {
    const all = this.sourceCounts[group]! * this.portCount;
    const { start, firstRound, groups, width } = this.rounds.findLast((rounds) => rounds.start <= index)!;
    const place = groups.indexOf(group);
    if (place < 0) return all;
    const rest = (index - start) % width;
    // In a round that has begun, the groups before this one take their turns first.
    const earlier = groups.slice(0, place).reduce((sum, each) => sum + this.sizeOf(each), 0);
    return Math.min(all, firstRound + (index - start - rest) / width + (rest > earlier ? 1 : 0));
  }

  /** Returns the ports of a source address in the order of their use, as ranges; empty if the kernel chooses them. */
  portRanges(): PortRange[] {
    if (this.plan.ports.chosenBy === "kernel") return [];
    const ranges: { first: number; last: number }[] = [];
    for (let step = 0; step < this.portCount; step++) {
      const port = this.portAt(step);
      const open = ranges.at(-1);
      if (open && open.last + 1 === port) open.last = port;
      else ranges.push({ first: port, last: port });
    }
    return ranges;
  }

  private sizeOf(group: number): number {
    return this.plan.groups[group]!.destinations.length;
  }

  /** Returns source address `source` of a group. */
  sourceIp(group: number, source: number): IpAddress {
    let rest = source;
    for (const range of this.plan.groups[group]!.sources) {
      if (rest < range.count) return addToIp(range.first, rest);
      rest -= range.count;
    }
    throw new RangeError(`group ${group} has no source ${source}`);
  }

  destination(group: number, destination: number): Destination {
    return this.plan.groups[group]!.destinations[destination]!;
  }

  /** Returns the tuple at `index`, with addresses as text. */
  describe(index: number): FourTuple {
    const { group, source, sourcePort, destination } = this.at(index);
    const to = this.destination(group, destination);
    return {
      sourceIp: formatIp(this.sourceIp(group, source)),
      sourcePort,
      destinationIp: formatIp(to.ip),
      destinationPort: to.port,
    };
  }
}

/** Returns the number of source ports of one source address towards one destination. */
export function portCount(ports: SourcePorts): number {
  if (ports.chosenBy === "kernel") return ports.available;
  return ports.range.last - ports.range.first + 1 - (ports.except?.length ?? 0);
}

/** Returns the order in which a source address uses a range's ports, as a function of the step, starting at 0. */
function portOrder(ports: SourcePorts): (step: number) => number {
  if (ports.chosenBy === "kernel") return () => 0;
  const { range, startAt, first = range, except = [] } = ports;
  const firstCount = first.last - first.first + 1;
  const above = range.last - first.last;
  const portAt = (step: number): number => {
    if (step < firstCount) return first.first + ((startAt - first.first + step) % firstCount);
    const rest = step - firstCount;
    return rest < above ? first.last + 1 + rest : range.first + rest - above;
  };
  if (except.length === 0) return portAt;
  const passedOver = new Set(except);
  const usable = new Uint16Array(portCount(ports));
  let length = 0;
  for (let step = 0; step <= range.last - range.first; step++) {
    const port = portAt(step);
    if (!passedOver.has(port)) usable[length++] = port;
  }
  return (step) => usable[step]!;
}
