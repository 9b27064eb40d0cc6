// Reads next-hop objects (ip nexthop). A route may refer to one by number instead of naming its interface and gateway.
import { attributesOf, dumpNetlink } from "./netlink.js";

const NETLINK_ROUTE = 0;
const RTM_GETNEXTHOP = 106;
/** struct nhmsg. */
const HOP_BYTES = 8;
const NHA_ID = 1;
const NHA_GROUP = 2;
const NHA_OIF = 5;
const NHA_GATEWAY = 6;
/** struct nexthop_grp, which begins with the member's number. */
const MEMBER_BYTES = 8;

export interface NextHop {
  /** Interface index; 0 for several interfaces or none. */
  readonly index: number;
  /** Whether it leads through another router. */
  readonly hasGateway: boolean;
}

const NOWHERE: NextHop = { index: 0, hasGateway: false };

/** Returns the next hops by number; none if netlink is refused. */
export function readNextHops(): ReadonlyMap<number, NextHop> {
  const answers = dumpNetlink(NETLINK_ROUTE, RTM_GETNEXTHOP, Buffer.alloc(HOP_BYTES));
  const hops = new Map<number, NextHop>();
  if (typeof answers === "number") return hops;
  const groups: { readonly id: number; readonly members: number[] }[] = [];
  for (const { body } of answers) {
    const attributes = attributesOf(body, HOP_BYTES);
    const id = attributes.get(NHA_ID)?.readUInt32LE() ?? 0;
    const group = attributes.get(NHA_GROUP);
    if (group) groups.push({ id, members: membersOf(group) });
    const index = attributes.get(NHA_OIF)?.readUInt32LE() ?? 0;
    hops.set(id, { index, hasGateway: attributes.has(NHA_GATEWAY) });
  }
  for (const { id, members } of groups) {
    const each = members.map((member) => hops.get(member) ?? NOWHERE);
    const indexes = new Set(each.map(({ index }) => index));
    const index = indexes.size === 1 ? each[0]!.index : 0;
    hops.set(id, { index, hasGateway: each.some(({ hasGateway }) => hasGateway) });
  }
  return hops;
}

function membersOf(group: Buffer): number[] {
  return Array.from({ length: Math.floor(group.length / MEMBER_BYTES) }, (_, n) =>
    group.readUInt32LE(n * MEMBER_BYTES),
  );
}
