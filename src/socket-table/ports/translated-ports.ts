// Counts the source ports assigned by NAT on this host. These ports appear only in conntrack, not in any socket.
// Connections to one destination from the same translated address cannot share a port, whichever hosts they come
// from.

import { countTracked, forEachTracked, type TrackedConnection } from "../../linux/netlink/conntrack.js";
import type { TranslatedPorts, TranslatedRow } from "../../results/sockets/pressure.js";
import { type Family, type IpAddress, parseIp, toInteger } from "../../util/address.js";
import type { AddressRange } from "../../util/address-range.js";
import type { PortRange } from "../../util/endpoint.js";
import type { AddressIndex } from "../addresses.js";
import { Counts, PairIndex, topIds } from "../aggregate/dense-index.js";
import type { EndQuery } from "../query.js";
import { PRESSURE_MARK } from "./marks.js";
import type { NatRuleReader } from "./nat-rule-cache.js";
import type { NatRule } from "./nat-rules.js";

/** Range that NAT chooses from by default for original ports from 1024 up. */
const DEFAULT_PORTS: PortRange = { first: 1024, last: 65_535 };

interface Conditions {
  readonly family: 4 | 6 | undefined;
  /** Condition on the destination. */
  readonly remote: EndQuery | undefined;
  readonly either: EndQuery | undefined;
  readonly top: number;
}

/** @returns undefined if conntrack tracks nothing here */
export async function readTranslatedPorts(
  addresses: AddressIndex,
  conditions: Conditions,
  readRules: NatRuleReader,
): Promise<TranslatedPorts | undefined> {
  if (!countTracked()) return undefined;
  const pairs = new TranslatedPairs(addresses, conditions);
  const refusedErrno = await forEachTracked((connection) => pairs.add(connection));
  const ids = pairs.translated();
  const rules = await readRules(pairs.translatedFamilies);
  const rows = ids.map((id) => pairs.row(id, rules));
  const best = topIds(
    rows.length,
    conditions.top,
    (i) => rows[i]!.share,
    (a, b) => pairs.compare(ids[a]!, ids[b]!),
  );
  return {
    refusedErrno,
    distinct: rows.length,
    marked: rows.filter(({ isMarked }) => isMarked).length,
    connections: rows.reduce((sum, { inUse }) => sum + inUse, 0),
    rows: best.map((i) => rows[i]!),
  };
}

/** Tracked connections by pair (source as seen by the destination, destination). */
class TranslatedPairs {
  private readonly addresses: AddressIndex;
  private readonly conditions: Conditions;
  private readonly destinations = new PairIndex();
  private readonly index = new PairIndex();
  private readonly inUse = new Counts();
  private readonly timeWait = new Counts();
  private readonly translatedCount = new Counts();
  private readonly lowest = new Counts();
  private readonly highest = new Counts();
  /** Families of the pairs with a port chosen by NAT. */
  readonly translatedFamilies = new Set<Family>();
  private readonly wanted = new Map<number, boolean>();

  constructor(addresses: AddressIndex, conditions: Conditions) {
    this.addresses = addresses;
    this.conditions = conditions;
  }

  add({ family, source, destination, isSourceTranslated, isTimeWait }: TrackedConnection): void {
    const { addresses } = this;
    if (this.conditions.family !== undefined && family !== this.conditions.family) return;
    const idOf = (words: Int32Array) => (family === 4 ? addresses.ofIpv4(words[0]!) : addresses.ofIpv6(words));
    const before = this.destinations.size;
    const to = this.destinations.idOf(idOf(destination.words), destination.port);
    if (to === before) this.wanted.set(to, this.isWanted(to));
    if (!this.wanted.get(to)) return;
    const id = this.index.idOf(to, idOf(source.words));
    const isFirst = this.inUse.get(id) === 0;
    this.inUse.add(id);
    if (isTimeWait) this.timeWait.add(id);
    // The host's own connections occupy NAT's ports too, but NAT did not choose their ports.
    if (!isSourceTranslated) return;
    const isFirstTranslated = isFirst || this.translatedCount.get(id) === 0;
    this.translatedCount.add(id);
    if (isFirstTranslated) this.translatedFamilies.add(family);
    const { port } = source;
    if (isFirstTranslated || port < this.lowest.get(id)) this.lowest.set(id, port);
    if (isFirstTranslated || port > this.highest.get(id)) this.highest.set(id, port);
  }

  /** Returns pairs with a port chosen by NAT. */
  translated(): number[] {
    const ids: number[] = [];
    for (let id = 0; id < this.index.size; id++) if (this.translatedCount.get(id) > 0) ids.push(id);
    return ids;
  }

  row(id: number, rules: readonly NatRule[]): TranslatedRow {
    const to = this.index.first(id);
    const sourceIp = this.addresses.text(this.index.second(id));
    const inUse = this.inUse.get(id);
    const rule = this.ruleFor(id, sourceIp, rules);
    const ports = rule?.ports ?? DEFAULT_PORTS;
    const capacity = ports.last - ports.first + 1;
    const share = Math.min(1, inUse / capacity);
    return {
      sourceIp,
      destinationIp: this.addresses.text(this.destinations.first(to)),
      destinationPort: this.destinations.second(to),
      inUse,
      timeWait: this.timeWait.get(id),
      ports,
      rule: rule?.text,
      capacity,
      left: Math.max(0, capacity - inUse),
      share,
      isMarked: share >= PRESSURE_MARK,
    };
  }

  compare(a: number, b: number): number {
    return (
      this.index.first(a) - this.index.first(b) || this.addresses.compare(this.index.second(a), this.index.second(b))
    );
  }

  /** The kernel does not record which rule assigned a port. Returns the narrowest rule that covers all of them. */
  private ruleFor(id: number, sourceIp: string, rules: readonly NatRule[]): NatRule | undefined {
    const [lowest, highest] = [this.lowest.get(id), this.highest.get(id)];
    const size = ({ ports }: NatRule) => ports.last - ports.first;
    return rules
      .filter(
        ({ ip, ports }) => (ip === undefined || ip === sourceIp) && ports.first <= lowest && highest <= ports.last,
      )
      .sort((a, b) => size(a) - size(b))[0];
  }

  private isWanted(to: number): boolean {
    const { remote, either } = this.conditions;
    const port = this.destinations.second(to);
    const isPort = ({ ports }: EndQuery) => !ports || ports.some(({ first, last }) => first <= port && port <= last);
    const address = parseIp(this.addresses.text(this.destinations.first(to)));
    const isAddress = ({ addresses }: EndQuery) => !addresses || addresses.some((range) => isWithin(address, range));
    return [remote, either].every((end) => end === undefined || (isPort(end) && isAddress(end)));
  }
}

function isWithin(address: IpAddress, { first, count }: AddressRange): boolean {
  if (address.family !== first.family) return false;
  const offset = toInteger(address) - toInteger(first);
  return offset >= 0n && offset < BigInt(count);
}
