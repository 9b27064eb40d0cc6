// Finds nftables rules on this host that drop or reject TCP packets, via nfnetlink (needs CAP_NET_ADMIN). Only the
// location of the rules and their destination port are reported; `nft list` shows the other conditions.
import type { FilterRule } from "../../results/peer.js";
import { attributesOf, dumpNetlink, listAttributes, textOf } from "./netlink.js";

const NETLINK_NETFILTER = 12;
const NFTABLES = 10 << 8;
const GET_CHAIN = NFTABLES | 4;
const GET_RULE = NFTABLES | 7;
/** struct nfgenmsg. */
const STRUCT_BYTES = 4;
const FAMILIES: Readonly<Record<number, string>> = { 1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6" };
const CHAIN = { table: 1, name: 3, hook: 4, policy: 5 } as const;
const RULE = { table: 1, chain: 2, handle: 3, expressions: 4 } as const;
const EXPRESSION = { name: 1, data: 2 } as const;
const HOOKS = ["prerouting", "input", "forward", "output", "postrouting"];
const VERDICT = { drop: 0, accept: 1, jump: -3, goto: -4 } as const;
const TRANSPORT_HEADER = 2;

interface Rule extends Pick<FilterRule, "table" | "chain" | "handle" | "port"> {
  readonly verdict: "drop" | "reject" | undefined;
  readonly leadsTo: string | undefined;
}

/** @returns undefined if the rules cannot be read or nftables is unavailable */
export function findFilterRules(): FilterRule[] | undefined {
  const chains = dumpNetlink(NETLINK_NETFILTER, GET_CHAIN, new Uint8Array(STRUCT_BYTES));
  const answers = dumpNetlink(NETLINK_NETFILTER, GET_RULE, new Uint8Array(STRUCT_BYTES));
  if (typeof chains === "number" || typeof answers === "number") return undefined;
  const rules = answers.map(({ body }) => readRule(body));
  return chains.flatMap(({ body }) => {
    const attributes = attributesOf(body, STRUCT_BYTES);
    const hook = attributes.get(CHAIN.hook);
    if (!hook) return [];
    const at = HOOKS[attributesOf(hook).get(1)?.readUInt32BE() ?? -1] ?? "?";
    const table = `${FAMILIES[body[0]!] ?? body[0]} ${textOf(attributes.get(CHAIN.table))}`;
    const chain = textOf(attributes.get(CHAIN.name)) ?? "?";
    const isDropping = attributes.get(CHAIN.policy)?.readUInt32BE() === VERDICT.drop;
    return [
      ...refusalsIn(rules, table, chain).map(({ leadsTo: _, ...rule }) => ({ hook: at, ...rule })),
      ...(isDropping
        ? [{ hook: at, table, chain, handle: undefined, verdict: "policy-drop" as const, port: undefined }]
        : []),
    ];
  });
}

type Refusal = Rule & { readonly verdict: "drop" | "reject" };

/** Returns the rules that drop or reject in a chain and in chains reachable from it. */
function refusalsIn(rules: readonly Rule[], table: string, chain: string): Refusal[] {
  const reached = new Set([chain]);
  for (const name of reached) {
    for (const rule of rules) {
      if (rule.table === table && rule.chain === name && rule.leadsTo !== undefined) reached.add(rule.leadsTo);
    }
  }
  return rules.filter(
    (rule): rule is Refusal => rule.table === table && reached.has(rule.chain) && rule.verdict !== undefined,
  );
}

function readRule(body: Buffer): Rule {
  const attributes = attributesOf(body, STRUCT_BYTES);
  let verdict: Rule["verdict"];
  let leadsTo: string | undefined;
  let port: number | undefined;
  let isPortLoaded = false;
  for (const [, expression] of listAttributes(attributes.get(RULE.expressions) ?? Buffer.alloc(0))) {
    const parts = attributesOf(expression);
    const data = attributesOf(parts.get(EXPRESSION.data) ?? Buffer.alloc(0));
    const name = textOf(parts.get(EXPRESSION.name));
    if (name === "reject" || (name === "target" && textOf(data.get(1)) === "REJECT")) verdict = "reject";
    else if (name === "immediate") ({ verdict = verdict, leadsTo = leadsTo } = readVerdict(data.get(2)));
    else if (name === "cmp" && isPortLoaded) port = portOf(data);
    // Destination port: two bytes at offset 2 of the transport header.
    isPortLoaded =
      name === "payload" && [2, 3, 4].map((key) => data.get(key)?.readUInt32BE()).join() === `${TRANSPORT_HEADER},2,2`;
  }
  return {
    table: `${FAMILIES[body[0]!] ?? body[0]} ${textOf(attributes.get(RULE.table))}`,
    chain: textOf(attributes.get(RULE.chain)) ?? "?",
    handle: Number(attributes.get(RULE.handle)?.readBigUInt64BE() ?? 0),
    verdict,
    leadsTo,
    port,
  };
}

function readVerdict(data: Buffer | undefined): Pick<Partial<Rule>, "verdict" | "leadsTo"> {
  const verdict = data && attributesOf(data).get(2);
  if (!verdict) return {};
  const parts = attributesOf(verdict);
  const code = parts.get(1)?.readInt32BE();
  if (code === VERDICT.drop) return { verdict: "drop" };
  const chain = textOf(parts.get(2));
  return (code === VERDICT.jump || code === VERDICT.goto) && chain !== undefined ? { leadsTo: chain } : {};
}

/** Returns the port of an `==` comparison (NFT_CMP_EQ is 0) with two bytes. */
function portOf(data: ReadonlyMap<number, Buffer>): number | undefined {
  const value = data.get(3) && attributesOf(data.get(3)!).get(1);
  return data.get(2)?.readUInt32BE() === 0 && value?.length === 2 ? value.readUInt16BE() : undefined;
}
