// Explains unanswered handshakes of clients without kernel sockets: packets dropped at fourtuple's TUN device, by this
// host's firewall between the device and the network, or answers that nobody sends to this host.
import type { ConnectResult } from "../../../results/connect.js";
import type { Finding, Suspect } from "../../../results/diagnosis.js";
import type { PacketCounts } from "../../../results/engine.js";
import type { FailureReport } from "../../../results/fields.js";
import { plural } from "../../../util/units.js";
import { seen } from "../local-errors.js";
import { describeRule } from "../local-refusals.js";

/** Families of nftables whose forward hook is on the way between the device and the network. */
const ROUTED_FAMILIES = /^(?:inet|ip6?) /;

/** @returns undefined if the client has kernel sockets, or there is no such sign */
export function explainWithoutSockets(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { packets } = result;
  if (!packets || failure.phase !== "connect") return undefined;
  return deviceFull(packets, failure) ?? (isUnanswered(result) ? forwardDropped(result, failure) : undefined);
}

/** Suspects that answers go elsewhere; undefined if any packet has arrived. */
export function suspectReturnPath(result: ConnectResult, failure: FailureReport): Suspect | undefined {
  if (!isUnanswered(result)) return undefined;
  return {
    limit: "route",
    whose: "network",
    meaning: "nothing sends packets for the source addresses to this host, so answers do not arrive",
    fix: "on the server, or on its router: ip route add BLOCK via an address of this host; or use spare addresses of this host's own network",
    evidence: [seen(failure), countsOf(result.packets!)],
    test: "on the server: tcpdump shows SYNs from the source addresses, and ip route get SOURCE does not lead to this host",
  };
}

/** Suspects that answers come from somewhere else than they should; undefined if too few have come. */
export function suspectStrays({ packets }: ConnectResult, failure: FailureReport): Suspect | undefined {
  const { strays = 0 } = packets ?? {};
  if (strays < failure.count) return undefined;
  return {
    limit: "path",
    whose: "network",
    meaning: "answers come from another address or port, or after the time limit: they belong to no attempt",
    fix: "look for NAT on the way that translates answers only; if they are late, raise --connect-timeout",
    evidence: [seen(failure), `fourtuple answered ${plural(strays, "segment")} of no connection with RST`],
    test: "on this host: tcpdump -n -i fourtuple0 shows the addresses and ports from which answers come",
  };
}

function isUnanswered({ packets, established, evidence }: ConnectResult): boolean {
  if (!packets) return false;
  const { receivedPackets, otherPackets = 0 } = packets;
  // With the server on this host, packets do not leave it.
  return receivedPackets === otherPackets && established === 0 && (evidence.peer?.listeners ?? []).length === 0;
}

function deviceFull({ deviceDrops = 0 }: PacketCounts, failure: FailureReport): Finding | undefined {
  // An attempt fails only if all answers to it are dropped.
  if (deviceDrops < failure.count) return undefined;
  return {
    limit: "tun-txqueuelen",
    whose: "local",
    meaning: "fourtuple did not keep up with the packets that arrived: the queue of its TUN device was full",
    fix: "lower --concurrency or --connect-rate, or give fourtuple more cores: one of its threads had no CPU time left",
    evidence: [seen(failure), `the device dropped ${plural(deviceDrops, "packet")} (TX dropped)`],
  };
}

function forwardDropped({ packets, evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const rules = (evidence.localPath?.rules ?? []).filter(
    ({ hook, table, verdict }) => hook === "forward" && ROUTED_FAMILIES.test(table) && verdict !== "reject",
  );
  const rule = rules.find(({ port }) => port !== undefined) ?? rules.find(({ verdict }) => verdict === "policy-drop");
  if (!rule) return undefined;
  return {
    limit: "firewall",
    whose: "local",
    meaning: `this host's firewall drops packets that it forwards: ${describeRule(rule)}`,
    fix: `accept those of fourtuple's devices, both ways: iifname "fourtuple*" and oifname "fourtuple*" in chain ${rule.table} ${rule.chain}`,
    evidence: [seen(failure), countsOf(packets!)],
  };
}

function countsOf({ sentPackets }: PacketCounts): string {
  return `fourtuple sent ${plural(sentPackets, "packet")}, and no answer arrived`;
}
