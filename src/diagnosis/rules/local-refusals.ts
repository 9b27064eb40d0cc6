// What this host's own routes, rules and firewall refuse. connect() itself returns what a route or a policy refuses, before anything is
// sent; a firewall's rejection comes later, like a peer's, and what an output rule drops is known by TCPRetransFail alone.

import type { ConnectResult } from "../../results/connect.js";
import type { Finding } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import type { LocalPath } from "../../results/peer.js";
import { formatCount } from "../../util/units.js";
import { seen } from "./local-errors.js";

type Route = NonNullable<LocalPath["routes"]>[number];
type Rule = NonNullable<LocalPath["rules"]>[number];

/** The errno of each type of route and of rule (fib_props in net/ipv4/fib_semantics.c, fib4_rule_action()). */
const ERRNOS: Readonly<Record<Route["kind"], Readonly<Record<Route["type"], string>>>> = {
  route: { blackhole: "EINVAL", prohibit: "EACCES", unreachable: "EHOSTUNREACH", throw: "ENETUNREACH" },
  rule: { blackhole: "EINVAL", prohibit: "EACCES", unreachable: "ENETUNREACH", throw: "ENETUNREACH" },
};
const LOOK = { drop: "drops", reject: "rejects", "policy-drop": "drops by its policy" } as const;
/** What rules that reject make of a SYN. */
const REJECTIONS = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "ENOPROTOOPT"];

/** Whether connect() itself returned these; undefined where a result does not say. */
export function cameAtOnce({ evidence }: ConnectResult, { errno, count }: FailureReport): boolean | undefined {
  const atOnce = evidence.localPath?.failedAtOnce;
  return atOnce && (atOnce[errno] ?? 0) * 2 > count;
}

/** Two errnos mean another thing when connect() returns them than when an ICMP message made them: then it is not the usual one. */
export function isUnusual(result: ConnectResult, failure: FailureReport): boolean {
  if (failure.phase !== "connect") return false;
  const isAtOnce = cameAtOnce(result, failure);
  return failure.errno === "ENETUNREACH" ? isAtOnce === false : failure.errno === "EHOSTUNREACH" && isAtOnce === true;
}

/** @returns undefined when it is not this host's doing */
export function explainLocal(result: ConnectResult, failure: FailureReport): Finding | undefined {
  if (failure.phase !== "connect" || !result.evidence.localPath) return undefined;
  if (cameAtOnce(result, failure)) return ofRoute(result, failure) ?? ofPolicy(failure);
  if (failure.errno === "ETIMEDOUT") return undefined;
  return REJECTIONS.includes(failure.errno) ? rejectedHere(result, failure) : undefined;
}

function ofRoute({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const { routes } = evidence.localPath!;
  const route = routes?.find(({ kind, type }) => ERRNOS[kind][type] === failure.errno);
  if (!route) return undefined;
  const isRule = route.kind === "rule";
  const more = routes!.filter(({ to, type }) => to !== route.to && type === route.type).length;
  return {
    limit: "route",
    whose: "local",
    meaning: `a ${isRule ? "routing rule" : "route"} of this host refuses ${route.to}: ${route.entry}`,
    fix: isRule
      ? `if it is not wanted: ip rule del pref ${route.entry.replace(/:.*/s, "")}`
      : `if it is not wanted: ip ${route.to.includes(":") ? "-6 " : ""}route del ${route.entry}`,
    evidence: [
      seen(failure),
      `connect() itself returned ${failure.errno}: nothing was sent`,
      `ip ${isRule ? "rule" : "route"} has: ${route.entry}`,
      ...(more > 0 ? [`${formatCount(more)} more destinations are refused alike`] : []),
    ],
  };
}

/** Without a route that refuses. */
function ofPolicy(failure: FailureReport): Finding | undefined {
  if (failure.errno !== "EPERM" && failure.errno !== "EACCES") return undefined;
  return {
    limit: "firewall",
    whose: "local",
    meaning:
      "a security policy of this host forbids the connection: an output firewall, a cgroup's BPF program or a security module",
    fix: "nft list ruleset; bpftool cgroup tree (systemd's IPAddressDeny=); ausearch -m avc, dmesg; ip route show type prohibit; ip rule",
    evidence: [seen(failure), `connect() itself returned ${failure.errno}: nothing was sent`],
  };
}

function rejectedHere({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const { deltas, localPath, peer } = evidence;
  // Where the server is here and nobody listens, its kernel refuses.
  if (failure.errno === "ECONNREFUSED" && peer?.listeners.length === 0) return undefined;
  const rule = localPath!.rules?.find(({ verdict }) => verdict === "reject");
  const own = (deltas["Icmp.OutDestUnreachs"] ?? 0) + (deltas["Icmp6.OutDestUnreachs"] ?? 0);
  const isOwnMessage = own >= failure.count;
  // Without a neighbour the kernel tells itself "host unreachable", too; a rule for all ports need not be the one.
  const isSure = rule ? rule.port !== undefined || isOwnMessage : isOwnMessage && failure.errno !== "EHOSTUNREACH";
  if (!isSure) return undefined;
  return firewall(
    rule,
    `a firewall rule of this host rejects the connections${rule ? `: ${describeRule(rule)}` : ""}`,
    [seen(failure), ...(isOwnMessage ? [`this host itself sent ${formatCount(own)} ICMP messages "unreachable"`] : [])],
  );
}

/** SYNs that this host did not send, or did not let in to its own server. */
export function droppedHere({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const { deltas, localPath, peer } = evidence;
  if (failure.phase !== "connect") return undefined;
  const unsent = deltas["TcpExt.TCPRetransFail"] ?? 0;
  const rules = (localPath?.rules ?? []).filter(({ verdict }) => verdict !== "reject");
  // A rejection may be dropped on its own way back.
  const outgoing = rules.find(isOutgoing) ?? localPath?.rules?.find(isOutgoing);
  if (unsent >= failure.count || (outgoing?.port !== undefined && unsent > 0)) {
    return firewall(
      outgoing,
      `this host drops its own SYNs: ${outgoing ? describeRule(outgoing) : "an output rule, or a cgroup's BPF program (systemd's IPAddressDeny=)"}`,
      [
        seen(failure),
        `TCPRetransFail rose by ${formatCount(unsent)}: SYNs that the kernel was not allowed to send again`,
      ],
    );
  }
  // Of a rule that names the port nothing more needs to be known.
  const named = rules.find((rule) => rule.port !== undefined && (peer || isOutgoing(rule)));
  if (!named) return undefined;
  return firewall(named, `a firewall rule of this host drops the SYNs: ${describeRule(named)}`, [seen(failure)]);
}

function isOutgoing({ hook }: Rule): boolean {
  return hook === "output" || hook === "postrouting";
}

function firewall(rule: Rule | undefined, meaning: string, evidence: readonly string[]): Finding {
  // What stands before a server of this host is on its clients' path, whichever host they are on.
  const isBeforeServer = rule !== undefined && !isOutgoing(rule);
  return {
    limit: isBeforeServer ? "path" : "firewall",
    whose: isBeforeServer ? "network" : "local",
    meaning,
    fix: rule
      ? `see the rule: nft -a list chain ${rule.table} ${rule.chain}`
      : "look for it: nft list ruleset, iptables -S; bpftool cgroup tree",
    evidence,
  };
}

/** `table inet filter, chain out (output): rule 4 drops port 7777`. */
function describeRule({ table, chain, hook, handle, verdict, port }: Rule): string {
  const what = handle === undefined ? LOOK[verdict] : `rule ${handle} ${LOOK[verdict]}`;
  return `nftables table ${table}, chain ${chain} (${hook}): ${what}${port === undefined ? "" : ` port ${port}`}`;
}
