// What a caller may ask of predictCapacity(), and the load that it means on this host: 4-tuples, the server's side, what is
// taken already.

import { readInterfaces } from "../linux/netlink/interfaces.js";
import type { SourceOption, SourcePortOption } from "../planning/connect-options.js";
import { readHost } from "../planning/host-readings.js";
import { type PlannedTuples, planTuples } from "../planning/make-plan.js";
import {
  CONCURRENCY,
  checkPositive,
  parseDestinations,
  parseSourcePorts,
  parseSources,
} from "../planning/parse-run-spec.js";
import type { TupleSpec } from "../planning/run-spec.js";
import { type PortReadings, planPorts, readPorts } from "../planning/source-ports.js";
import { NO_BAD_SOURCES } from "../planning/sources.js";
import type { TuplePlan } from "../planning/tuple-plan.js";
import type { EngineChoice } from "../results/engine.js";
import type { BadSource } from "../results/peer.js";
import type { Program, Role } from "../results/prediction.js";
import { formatIp, type IpAddress, parseIp } from "../util/address.js";
import { AppError } from "../util/errors.js";
import type { Load } from "./load.js";
import { countOnLink } from "./on-link.js";
import { inspectServer } from "./server.js";
import { countTuplesInUse, deviceOf, NONE_IN_USE } from "./tuples-in-use.js";
import type { WhatIf } from "./what-if.js";

export interface CapacityOptions extends WhatIf {
  /** How many connections are wanted; default 1,000,000. */
  readonly connections?: number | undefined;
  /** Which ends are on this host: default `both` towards this host or nowhere, `client` towards another. */
  readonly role?: Role | undefined;
  /** Where a client connects to, `host:port`; a server on this host is looked at. Nothing is sent there. */
  readonly target?: string | undefined;
  readonly sources?: SourceOption | undefined;
  readonly sourcePorts?: SourcePortOption | undefined;
  /** Connections per second that are opened and closed from here: how many last for ever, how long this many last. */
  readonly connectRatePerSec?: number | undefined;
  /** Messages per connection and second; default none. */
  readonly messageRatePerSec?: number | undefined;
  /** Bytes of a message; default 64. */
  readonly messageBytes?: number | undefined;
  /** Whose answer counts: an ordinary program's, which is the default, or fourtuple's own. */
  readonly program?: Program | undefined;
  /** What carries connections of fourtuple's; default `auto`. */
  readonly engine?: EngineChoice | undefined;
  /** Memory that an ordinary program takes for each connection, beside the kernel's; default next to none. */
  readonly memoryPerConnectionBytes?: number | undefined;
  /** Measure what a connection costs by a few thousand on loopback; default true. Else the committed figures are used. */
  readonly measure?: boolean | undefined;
  /** Ends the measuring: the committed figures are used then. */
  readonly signal?: AbortSignal | undefined;
}

/** What is wanted, before its cost is known; of each program. */
export interface Question extends Omit<Load, "cost" | "program" | "engine" | keyof Tuples> {
  readonly tuples: Readonly<Record<Program, Tuples>>;
  /** The interface that leads to the destination; undefined for loopback. */
  readonly device: string | undefined;
  /** The destination's port, the first of several; undefined where none was named. */
  readonly port: number | undefined;
}

/** The 4-tuples that a program has: fewer, where it leaves the choice to the kernel. */
type Tuples = Pick<Load, "plan" | "hasAddressesAtWill" | "portsInUse" | "portsDoubtful" | "timeWaits" | "onLink">;

const CONNECTIONS = 1_000_000;
const MESSAGE_BYTES = 64;
/** A destination for a client that has not said where to: TEST-NET-1 (RFC 5737), to which nothing is sent. */
const SOMEWHERE = { ip: parseIp("192.0.2.1"), port: 7777 };
/** What the kernel takes towards any address of loopback. */
const LOOPBACK = parseIp("127.0.0.1");
const DEFAULT_TARGET = "127.0.0.1:7777";

/** @throws {AppError} E_OPTION, E_ADDRESS, E_RESOLVE or E_NO_SOURCE when an option makes no sense */
export async function resolveQuestion(options: CapacityOptions): Promise<Question> {
  const { target, connections = CONNECTIONS, messageRatePerSec = 0, messageBytes = MESSAGE_BYTES } = options;
  for (const [name, value] of [
    ["--memory", options.memoryBytes],
    ["--memory-per-connection", options.memoryPerConnectionBytes],
    ["--cores", options.cores],
    ["--nofile", options.nofile],
    ["--message-size", options.messageBytes],
    ["--message-rate", options.messageRatePerSec],
    ["--connect-rate", options.connectRatePerSec],
  ] as const) {
    if (value !== undefined && !(value > 0)) {
      throw new AppError("E_OPTION", `invalid ${name}: ${value}`, { fix: "give a number above 0" });
    }
  }
  assertSense(options);
  checkPositive("connections", options.connections, true);
  const spec: TupleSpec = {
    destinations: parseDestinations(target ?? DEFAULT_TARGET),
    resolve: "all",
    connections,
    sources: parseSources(options.sources),
    sourcePorts: parseSourcePorts(options.sourcePorts),
    isSingle: false,
  };
  const isAway = options.role === "client" && target === undefined;
  const host = isAway ? undefined : await readHost(spec);
  const targets = host && planTuples(spec, host);
  const role = options.role ?? (targets?.foreign ? "client" : "both");
  const ports = host?.ports ?? readPorts();
  const plan = role === "server" ? undefined : targets ? reachableOf(targets) : planSomewhere(spec, ports);
  const hasAddressesAtWill = plan !== undefined && options.sources === undefined && isAtWill(targets);
  const own = await tuplesOf(plan, hasAddressesAtWill);
  const ordinary = plan && ordinaryPlan(plan, options, ports);
  return {
    connections,
    role,
    tuples: { fourtuple: own, ordinary: ordinary === plan ? own : await tuplesOf(ordinary, false) },
    connectRatePerSec: options.connectRatePerSec,
    badSources: host?.sources ?? NO_BAD_SOURCES,
    unreachable: role === "server" ? [] : (targets?.unreachable ?? []),
    peer: targets && !targets.foreign && target !== undefined ? await inspectServer(targets.endpoints) : undefined,
    target,
    messageRatePerSec,
    messageBytes,
    burst: Math.min(CONCURRENCY, connections),
    device: plan && deviceOf(plan),
    port: target === undefined ? undefined : targets?.plan.groups[0]?.destinations[0]?.port,
  };
}

/** What an ordinary program has of a plan: the address and the ports that the kernel chooses, unless they were named. */
function ordinaryPlan(plan: TuplePlan, { sources, sourcePorts }: CapacityOptions, ports: PortReadings): TuplePlan {
  if (sources !== undefined && sourcePorts !== undefined) return plan;
  const oneSource = () =>
    plan.groups.map(({ sources: [first], destinations }) => ({
      sources: [{ first: isLoopbackV4(first!.first) ? LOOPBACK : first!.first, count: 1 }],
      destinations,
    }));
  return {
    groups: sources === undefined ? oneSource() : plan.groups,
    ports: sourcePorts === undefined ? planPorts({ sourcePorts: "kernel", isSingle: false }, ports) : plan.ports,
  };
}

async function tuplesOf(plan: TuplePlan | undefined, hasAddressesAtWill: boolean): Promise<Tuples> {
  // Where there are always more addresses, it is of no account.
  const inUse = plan && !hasAddressesAtWill ? await countTuplesInUse(plan) : NONE_IN_USE;
  const { tuples, doubtful, timeWaits } = inUse;
  return {
    plan,
    hasAddressesAtWill,
    portsInUse: tuples,
    portsDoubtful: doubtful,
    timeWaits,
    onLink: countOnLink(plan),
  };
}

function isLoopbackV4(ip: IpAddress): boolean {
  return formatIp(ip).startsWith("127.");
}

/** @throws {AppError} E_OPTION for options of which one makes the other meaningless */
function assertSense(options: CapacityOptions): void {
  const { role, sources, sourcePorts, connectRatePerSec, messageBytes, messageRatePerSec } = options;
  if (role === "server" && connectRatePerSec !== undefined) {
    throw new AppError("E_OPTION", "--connect-rate does not apply to a server: it opens no connections", {
      fix: "leave out --connect-rate, or use --role client",
    });
  }
  if (role === "server" && (sources !== undefined || sourcePorts !== undefined)) {
    throw new AppError("E_OPTION", "a server does not choose source addresses or ports", {
      fix: "leave out --source-ip and --source-port, or use --role client",
    });
  }
  if (messageBytes !== undefined && messageRatePerSec === undefined) {
    throw new AppError("E_OPTION", "--message-size needs --message-rate", { fix: "add --message-rate" });
  }
}

/** Loopback has 16 million source addresses, and connect() takes as many as it needs. */
function isAtWill(targets: PlannedTuples | undefined): boolean {
  const groups = targets?.plan.groups ?? [];
  return groups.length > 0 && groups.every(({ sources }) => isLoopbackV4(sources[0]!.first));
}

/** The plan without the destinations that no packet reaches. */
function reachableOf({ plan, unreachable }: PlannedTuples): TuplePlan {
  const lost = new Set(unreachable.map(({ ip }: BadSource) => ip));
  const groups = plan.groups.map(({ sources, destinations }) => ({
    sources,
    destinations: destinations.filter(({ ip }) => !lost.has(formatIp(ip))),
  }));
  return { ...plan, groups: groups.filter(({ destinations }) => destinations.length > 0) };
}

/** A client of this host's own addresses towards one destination elsewhere. */
function planSomewhere(spec: TupleSpec, ports: PortReadings): TuplePlan {
  const interfaces = readInterfaces();
  const own = Object.values(interfaces ?? {})
    .flatMap((list) => list ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal)
    .map(({ address }) => ({ first: parseIp(address), count: 1 }));
  const sources = spec.sources?.map(({ first, count }) => ({ first: parseIp(first), count })) ?? own;
  if (sources.length === 0) {
    const what = interfaces
      ? "this host has only loopback addresses to connect from"
      : "this host's addresses cannot be read";
    throw new AppError("E_NO_SOURCE", what, {
      fix: "name the destination with --target, or the addresses with --source-ip",
    });
  }
  return { groups: [{ sources, destinations: [SOMEWHERE] }], ports: planPorts(spec, ports) };
}
