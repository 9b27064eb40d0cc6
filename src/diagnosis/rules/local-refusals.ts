// Explains refusals by this host's own routes, rules and firewall. With a route or policy, connect() fails before
// anything is sent. A rejection by the firewall arrives later, like a refusal by the peer. A drop by an output rule
// shows only in the counter TCPRetransFail.

import type { ConnectResult } from "../../results/connect.js";
import type { Finding, Suspect } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import type { LocalPath } from "../../results/peer.js";
import { formatCount, plural } from "../../util/units.js";
import { seen } from "./local-errors.js";
import { icmpDelta } from "./path/icmp-counts.js";

type Route = NonNullable<LocalPath["routes"]>[number];
type Evidence = ConnectResult["evidence"];
type Rule = NonNullable<LocalPath["rules"]>[number];

/** Errnos by type of route and rule (fib_props in net/ipv4/fib_semantics.c, fib4_rule_action()). */
const ERRNOS: Readonly<Record<Route["kind"], Readonly<Record<Route["type"], string>>>> = {
  route: { blackhole: "EINVAL", prohibit: "EACCES", unreachable: "EHOSTUNREACH", throw: "ENETUNREACH" },
  rule: { blackhole: "EINVAL", prohibit: "EACCES", unreachable: "ENETUNREACH", throw: "ENETUNREACH" },
};
const LOOK = { drop: "drops", reject: "rejects", "policy-drop": "drops by default" } as const;
/** Errnos that a rejecting rule can produce for a SYN. */
const REJECTIONS = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "ENOPROTOOPT"];

/** Returns whether connect() itself returned the error; undefined if the result does not say. */
export function cameAtOnce({ evidence }: ConnectResult, { errno, count }: FailureReport): boolean | undefined {
  const atOnce = evidence.localPath?.failedAtOnce;
  return atOnce && (atOnce[errno] ?? 0) * 2 > count;
}

/**
 * Two errnos mean different things depending on whether connect() returned them or ICMP caused them. Returns true for
 * the less common meaning.
 */
export function isUnusual(result: ConnectResult, failure: FailureReport): boolean {
  if (failure.phase !== "connect") return false;
  const isAtOnce = cameAtOnce(result, failure);
  return failure.errno === "ENETUNREACH" ? isAtOnce === false : failure.errno === "EHOSTUNREACH" && isAtOnce === true;
}

/** @returns undefined if this host did not cause the refusal */
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
    meaning: `a ${isRule ? "routing rule" : "route"} on this host refuses ${route.to}: ${route.entry}`,
    fix: isRule
      ? `if that is unintended: ip rule del pref ${route.entry.replace(/:.*/s, "")}`
      : `if that is unintended: ip ${route.to.includes(":") ? "-6 " : ""}route del ${route.entry}`,
    evidence: [
      seen(failure),
      `connect() itself returned ${failure.errno}: nothing was sent`,
      `ip ${isRule ? "rule" : "route"} has: ${route.entry}`,
      ...(more > 0 ? [`${formatCount(more)} more destinations are refused the same way`] : []),
    ],
  };
}

/** Explains a refusal by connect() that no route accounts for. */
function ofPolicy(failure: FailureReport): Finding | undefined {
  if (failure.errno !== "EPERM" && failure.errno !== "EACCES") return undefined;
  return {
    limit: "firewall",
    whose: "local",
    meaning:
      "a security policy on this host forbids the connection: an output firewall, a cgroup's BPF program or a security module",
    fix: "check nft list ruleset; bpftool cgroup tree (systemd's IPAddressDeny=); ausearch -m avc, dmesg; ip route show type prohibit; ip rule",
    evidence: [seen(failure), `connect() itself returned ${failure.errno}: nothing was sent`],
  };
}

function rejectedHere({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const { deltas, localPath, peer } = evidence;
  // If the destination is on this host and nothing listens there, the refusal comes from the kernel itself.
  if (failure.errno === "ECONNREFUSED" && peer?.listeners.length === 0) return undefined;
  const rule = localPath!.rules?.find(({ verdict }) => verdict === "reject");
  const own = icmpDelta(deltas, "OutDestUnreachs");
  const isOwnMessage = own >= failure.count;
  // The kernel also sends itself "host unreachable" for an unresolved neighbour, and a rule that covers all ports is
  // not necessarily the cause.
  const isSure = rule ? rule.port !== undefined || isOwnMessage : isOwnMessage && failure.errno !== "EHOSTUNREACH";
  if (!isSure) return undefined;
  return firewall(
    rule,
    `a firewall rule on this host rejects the connections${rule ? `: ${describeRule(rule)}` : ""}`,
    [seen(failure), ...(isOwnMessage ? [`this host itself sent ${formatCount(own)} ICMP "unreachable" messages`] : [])],
  );
}

/**
 * Suspects a rule on output that rejects, although it names no port and may not apply to the connections.
 * @returns undefined if there is no such rule
 */
export function rejectedOnOutput(evidence: Evidence, failure: FailureReport): Suspect | undefined {
  const rule = evidence.localPath?.rules?.find((each) => each.verdict === "reject" && isOutgoing(each));
  if (!rule) return undefined;
  return {
    ...firewall(rule, `a firewall rule on this host rejects the connections: ${describeRule(rule)}`, [seen(failure)]),
    test: "during a run: tcpdump shows no SYN on this host's interface to the server",
  };
}

/** Explains SYNs that this host dropped on output or on the way to its own server. */
export function droppedHere({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  if (failure.phase !== "connect") return undefined;
  return dropped(evidence, "SYNs", failure.count, [seen(failure)]);
}

/**
 * Explains packets of open connections that this host dropped on output or on the way to its own server.
 * @param connections number of connections whose packets were lost
 * @param facts evidence that they were lost
 */
export function droppedPackets(
  { evidence }: ConnectResult,
  connections: number,
  facts: readonly string[],
): Finding | undefined {
  const { unsent = 0 } = evidence.unacknowledged ?? {};
  if (unsent < connections) return dropped(evidence, "packets", connections, facts);
  return droppedOnOutput(evidence, "packets", [
    ...facts,
    `on ${plural(unsent, "open connection")}, the kernel was not allowed to send, although the server's host has room for more`,
  ]);
}

/** @param failures number of failures that show a drop on output even if no rule names the port */
function dropped(
  evidence: Evidence,
  what: "SYNs" | "packets",
  failures: number,
  facts: readonly string[],
): Finding | undefined {
  const { deltas, localPath, peer } = evidence;
  const unsent = deltas["TcpExt.TCPRetransFail"] ?? 0;
  if (unsent >= failures || (outgoingRule(evidence)?.port !== undefined && unsent > 0)) {
    const fact = `TCPRetransFail rose by ${formatCount(unsent)}: ${what} that the kernel was not allowed to retransmit`;
    return droppedOnOutput(evidence, what, [...facts, fact]);
  }
  // A rule that names the port is sufficient evidence.
  const named = localPath?.rules?.find(
    (rule) => rule.verdict !== "reject" && rule.port !== undefined && (peer || isOutgoing(rule)),
  );
  if (!named) return undefined;
  return firewall(named, `a firewall rule on this host drops the ${what}: ${describeRule(named)}`, facts);
}

function droppedOnOutput(evidence: Evidence, what: "SYNs" | "packets", facts: readonly string[]): Finding {
  const rule = outgoingRule(evidence);
  return firewall(
    rule,
    `this host drops its own ${what}: ${rule ? describeRule(rule) : "an output rule, or a cgroup's BPF program (systemd's IPAddressDeny=)"}`,
    facts,
  );
}

function outgoingRule({ localPath }: Evidence): Rule | undefined {
  const rules = (localPath?.rules ?? []).filter(isOutgoing);
  // The rejection may itself be dropped on the way back.
  return rules.find(({ verdict }) => verdict !== "reject") ?? rules[0];
}

function isOutgoing({ hook }: Rule): boolean {
  return hook === "output" || hook === "postrouting";
}

function firewall(rule: Rule | undefined, meaning: string, evidence: readonly string[]): Finding {
  // A rule in front of a local server is on the path of its clients, whichever host they are on.
  const isBeforeServer = rule !== undefined && !isOutgoing(rule);
  return {
    limit: isBeforeServer ? "path" : "firewall",
    whose: isBeforeServer ? "network" : "local",
    meaning,
    fix: rule
      ? `see the rule: nft -a list chain ${rule.table} ${rule.chain}`
      : "find it with nft list ruleset, iptables -S or bpftool cgroup tree",
    evidence,
  };
}

/** Returns a text such as `nftables table inet filter, chain out (output): rule 4 drops port 7777`. */
export function describeRule({ table, chain, hook, handle, verdict, port }: Rule): string {
  const what = handle === undefined ? LOOK[verdict] : `rule ${handle} ${LOOK[verdict]}`;
  return `nftables table ${table}, chain ${chain} (${hook}): ${what}${port === undefined ? "" : ` port ${port}`}`;
}
