// A plan of 4-tuples: (source addresses × source ports × destinations) as a numbered sequence. Tuple i is computed, never stored, so a plan of millions costs nothing. Which addresses reach
// which destination is for the caller to say; whether a tuple is free is for bind() and connect() to say.
import { addToIp, formatIp, type IpAddress } from "../util/address.js";
import type { AddressRange } from "../util/address-range.js";
import type { FourTuple, PortRange } from "../util/endpoint.js";

/** Source ports: a range that we walk ourselves, or the kernel's own choice out of a range of `available`. */
export type SourcePorts =
  | {
      readonly chosenBy: "us";
      readonly range: PortRange;
      /** The first port of each source address. */
      readonly startAt: number;
      /** A part of the range that holds startAt, and is used up, round from its end to its beginning, before the others. */
      readonly first?: PortRange;
      /** Ports of the range that are passed over: ascending, each once, and fewer than all. */
      readonly except?: readonly number[];
    }
  | { readonly chosenBy: "kernel"; readonly available: number };

export interface Destination {
  readonly ip: IpAddress;
  readonly port: number;
}

/** Sources that all reach all of the destinations; one address family. */
export interface TupleGroup {
  readonly sources: readonly AddressRange[];
  readonly destinations: readonly Destination[];
}

/** Plain data, so that it can be handed to a thread. */
export interface TuplePlan {
  readonly groups: readonly TupleGroup[];
  readonly ports: SourcePorts;
}

/** One planned tuple as numbers; the port is 0 where the kernel chooses. */
export interface PlannedTuple {
  group: number;
  source: number;
  sourcePort: number;
  destination: number;
}

/** Rounds in which the same groups take part: each of their destinations has one tuple a round. */
interface Rounds {
  /** The index of their first tuple. */
  readonly start: number;
  readonly firstRound: number;
  readonly groups: readonly number[];
  /** Destinations of these groups. */
  readonly width: number;
}

/** The tuples of a plan by index. The object returned by at() is reused: read it before the next call. */
export class TupleSequence {
  /** 4-tuples in the plan: connections that can be ESTABLISHED at once. */
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

  /** @returns the tuples in all rounds */
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
   * The tuple at `index`. Destinations alternate fastest, those of all groups, so that they fill evenly. Ports of our own choice
   * follow each other on one source address before the next is used; with the kernel's choice the addresses
   * take turns, because its search for a free port slows down as one address fills.
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

  private sizeOf(group: number): number {
    return this.plan.groups[group]!.destinations.length;
  }

  /** Source address number `source` of a group. */
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

  /** Tuple `index` in words. */
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

/** How many source ports one source address has towards one destination. */
export function portCount(ports: SourcePorts): number {
  if (ports.chosenBy === "kernel") return ports.available;
  return ports.range.last - ports.range.first + 1 - (ports.except?.length ?? 0);
}

/** The ports of a range in the order in which one source address uses them, by number: 0 is the first. */
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
