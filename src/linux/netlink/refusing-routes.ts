// Finds routes and rules on this host that reject packets (ip route add blackhole|prohibit|unreachable|throw …, ip rule
// add …), via rtnetlink (rtnetlink(7)). The kernel does not report which route or rule rejected a packet, so callers
// infer it from the errno and the longest prefix.
import type { RefusingRoute } from "../../results/peer.js";
import { formatIp, type IpAddress } from "../../util/address.js";
import { AF_INET, AF_INET6 } from "../syscalls/constants.js";
import { attributesOf, dumpNetlink, textOf } from "./netlink.js";

const NETLINK_ROUTE = 0;
const RTM_GETROUTE = 26;
const RTM_GETRULE = 34;
/** struct rtmsg and struct fib_rule_hdr. */
const STRUCT_BYTES = 12;
const DST_LENGTH = 1;
const SRC_LENGTH = 2;
const TABLE = 4;
const TYPE = 7;
const RTA = { dst: 1, table: 15 } as const;
const FRA = { dst: 1, src: 2, iif: 3, priority: 6, mark: 10 } as const;
/** RTN_* in linux/rtnetlink.h. FR_ACT_* in linux/fib_rules.h have the same values from 6 on. */
const TYPES = [
  [6, "blackhole"],
  [7, "unreachable"],
  [8, "prohibit"],
  [9, "throw"],
] as const;
const NAMED_TABLES: Readonly<Record<number, string>> = { 253: "default", 254: "main", 255: "local" };
const MAIN = 254;

/**
 * Returns routes and rules in this network namespace that reject an address: rules first, then routes by descending
 * prefix length.
 *
 * @returns undefined if routes or rules cannot be read
 */
export function findRefusingRoutes(ip: IpAddress): RefusingRoute[] | undefined {
  const rules = readRules(ip);
  const routes = readRoutes(ip);
  return rules && routes && [...rules, ...routes];
}

function readRoutes(ip: IpAddress): RefusingRoute[] | undefined {
  const found: (RefusingRoute & { readonly bits: number })[] = [];
  for (const [number, type] of TYPES) {
    const answers = dumpNetlink(NETLINK_ROUTE, RTM_GETROUTE, request(ip, number));
    if (typeof answers === "number") return undefined;
    for (const { body } of answers) {
      // Older kernels do not filter by type.
      if (body[TYPE] !== number || body[0] !== familyOf(ip)) continue;
      const attributes = attributesOf(body, STRUCT_BYTES);
      const bits = body[DST_LENGTH]!;
      const dst = attributes.get(RTA.dst);
      if (!contains(dst, bits, ip)) continue;
      const table = attributes.get(RTA.table)?.readUInt32LE() ?? body[TABLE]!;
      const where = table === MAIN ? "" : ` table ${NAMED_TABLES[table] ?? table}`;
      found.push({
        kind: "route",
        type,
        to: formatIp(ip),
        entry: `${type} ${prefix(dst, bits, "default")}${where}`,
        bits,
      });
    }
  }
  return found.sort((a, b) => b.bits - a.bits).map(({ bits: _, ...route }) => route);
}

function readRules(ip: IpAddress): RefusingRoute[] | undefined {
  const answers = dumpNetlink(NETLINK_ROUTE, RTM_GETRULE, request(ip, 0));
  if (typeof answers === "number") return undefined;
  return answers.flatMap(({ body }) => {
    const type = TYPES.find(([number]) => number === body[TYPE])?.[1];
    const attributes = attributesOf(body, STRUCT_BYTES);
    if (!type || body[0] !== familyOf(ip) || !contains(attributes.get(FRA.dst), body[DST_LENGTH]!, ip)) return [];
    const to = body[DST_LENGTH]! > 0 ? ` to ${prefix(attributes.get(FRA.dst), body[DST_LENGTH]!, "all")}` : "";
    const iif = attributes.get(FRA.iif);
    const mark = attributes.get(FRA.mark)?.readUInt32LE();
    const entry = [
      `${attributes.get(FRA.priority)?.readUInt32LE() ?? 0}: from ${prefix(attributes.get(FRA.src), body[SRC_LENGTH]!, "all")}${to}`,
      ...(mark === undefined ? [] : [`fwmark 0x${mark.toString(16)}`]),
      ...(iif ? [`iif ${textOf(iif)}`] : []),
      type,
    ].join(" ");
    return [{ kind: "rule" as const, type, to: formatIp(ip), entry }];
  });
}

/** Encodes a struct rtmsg or struct fib_rule_hdr with the family and, for routes, the type to filter by. */
function request(ip: IpAddress, type: number): Uint8Array {
  const bytes = new Uint8Array(STRUCT_BYTES);
  bytes[0] = familyOf(ip);
  bytes[TYPE] = type;
  return bytes;
}

function familyOf({ family }: IpAddress): number {
  return family === 4 ? AF_INET : AF_INET6;
}

function contains(network: Uint8Array | undefined, bits: number, { bytes }: IpAddress): boolean {
  for (let bit = 0; bit < bits; bit++) {
    const mask = 0x80 >>> (bit & 7);
    if (((network?.[bit >>> 3] ?? 0) & mask) !== (bytes[bit >>> 3]! & mask)) return false;
  }
  return true;
}

function prefix(network: Buffer | undefined, bits: number, all: string): string {
  if (!network || bits === 0) return all;
  const text = formatIp({ family: network.length === 4 ? 4 : 6, bytes: network });
  return bits === network.length * 8 ? text : `${text}/${bits}`;
}
