// Options of predictCapacity(), and the resulting load on this host: 4-tuples, the server, and what is already in use.

import { readInterfaces } from "../linux/netlink/interfaces.js";
import type { SourceOption, SourcePortOption } from "../planning/connect-options.js";
import { readHost } from "../planning/host-readings.js";
import { type PlannedTuples, planTuples } from "../planning/make-plan.js";
import { type NetworkPlan, planNetwork } from "../planning/packet/network.js";
import { checkPacketOptions } from "../planning/packet/plan.js";
import { assertUnclaimed } from "../planning/packet/sources.js";
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
import type { Scheme } from "../protocols/spec/address.js";
import type { EngineChoice, TransportName } from "../results/engine.js";
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
  /** Target number of connections; default 1,000,000. */
  readonly connections?: number | undefined;
  /**
   * Which ends of the connections are on this host. The default is `client` for a remote target, and `both` otherwise.
   */
  readonly role?: Role | undefined;
  /**
   * Destination of the client as `host:port`. Nothing is sent to the destination; if the server is on this host, it is
   * inspected.
   */
  readonly target?: string | undefined;
  readonly sources?: SourceOption | undefined;
  readonly sourcePorts?: SourcePortOption | undefined;
  /**
   * Connections opened and closed per second from this host. If this is given, the prediction includes the sustainable
   * rate, and how long the given rate can be kept up.
   */
  readonly connectRatePerSec?: number | undefined;
  /** Messages per second on each connection; default 0. */
  readonly messageRatePerSec?: number | undefined;
  /** Size of a message in bytes; default 64. */
  readonly messageBytes?: number | undefined;
  /** Program to predict for: `ordinary` (the default) or `fourtuple`. */
  readonly program?: Program | undefined;
  /**
   * Address scheme, such as `wss`, of the protocol to measure and predict for, heartbeats included. The default is
   * plain TCP.
   */
  readonly protocol?: Scheme | undefined;
  /**
   * Whose TCP the client uses: `kernel` (the default), or `packet` for that of fourtuple, which needs `sources` that
   * belong to nobody.
   */
  readonly transport?: TransportName | undefined;
  /** I/O engine of fourtuple; default `auto`. */
  readonly engine?: EngineChoice | undefined;
  /** User-space memory of an ordinary program per connection; by default, almost none. */
  readonly memoryPerConnectionBytes?: number | undefined;
  /**
   * Whether to measure the cost of a connection by opening a few thousand over loopback; default true. If false,
   * built-in figures are used.
   */
  readonly measure?: boolean | undefined;
  /** Aborting this signal ends the measurement; built-in figures are then used. */
  readonly signal?: AbortSignal | undefined;
}

/** The requested load before its cost is known, with the 4-tuples available to each kind of program. */
export interface Question extends Omit<Load, "cost" | "program" | "engines" | keyof Tuples> {
  readonly tuples: Readonly<Record<Program, Tuples>>;
  /** Network interface towards the destination; undefined for loopback. */
  readonly device: string | undefined;
  /** How packets of a client without kernel sockets get to the destination and back; undefined for other clients. */
  readonly network: NetworkPlan | undefined;
  /** Port of the destination, the first if there are several; undefined if no destination was given. */
  readonly port: number | undefined;
}

/** 4-tuples available to a program. If the kernel chooses the port, there are fewer of them. */
type Tuples = Pick<Load, "plan" | "hasAddressesAtWill" | "portsInUse" | "portsDoubtful" | "timeWaits" | "onLink">;

const CONNECTIONS = 1_000_000;
const MESSAGE_BYTES = 64;
/** Destination of a client without a target: TEST-NET-1 (RFC 5737), to which nothing is sent. */
const SOMEWHERE = { ip: parseIp("192.0.2.1"), port: 7777 };
/** Source address that the kernel chooses for any loopback destination. */
const LOOPBACK = parseIp("127.0.0.1");
const DEFAULT_TARGET = "127.0.0.1:7777";

/** @throws {AppError} E_OPTION, E_ADDRESS, E_RESOLVE or E_NO_SOURCE for an invalid option */
export async function resolveQuestion(options: CapacityOptions, inspectsServer = true): Promise<Question> {
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
      throw new AppError("E_OPTION", `invalid ${name}: ${value}`, { fix: "use a number above 0" });
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
    transport: options.transport,
    isSingle: false,
  };
  const isAway = options.role === "client" && target === undefined;
  const host = isAway ? undefined : await readHost(spec);
  const targets = host && planTuples(spec, host);
  const role = options.role ?? (targets?.foreign ? "client" : "both");
  const ports = host?.ports ?? readPorts();
  const plan = role === "server" ? undefined : targets ? reachableOf(targets) : planSomewhere(spec, ports);
  const hasAddressesAtWill = plan !== undefined && options.sources === undefined && isAtWill(targets);
  const isPacket = options.transport === "packet";
  const own = isPacket ? unusedTuples(plan) : await tuplesOf(plan, hasAddressesAtWill);
  const ordinary = plan && !isPacket ? ordinaryPlan(plan, options, ports) : plan;
  return {
    connections,
    role,
    transport: options.transport,
    network: plan && isPacket ? networkOf(plan) : undefined,
    tuples: { fourtuple: own, ordinary: ordinary === plan ? own : await tuplesOf(ordinary, false) },
    connectRatePerSec: options.connectRatePerSec,
    badSources: host?.sources ?? NO_BAD_SOURCES,
    unreachable: role === "server" ? [] : (targets?.unreachable ?? []),
    peer:
      inspectsServer && targets && !targets.foreign && target !== undefined
        ? await inspectServer(targets.endpoints)
        : undefined,
    target,
    messageRatePerSec,
    messageBytes,
    burst: Math.min(CONCURRENCY, connections),
    device: plan && deviceOf(plan),
    port: target === undefined ? undefined : targets?.plan.groups[0]?.destinations[0]?.port,
  };
}

/** Returns the part of a plan that an ordinary program uses: address and ports are the kernel's choice unless given. */
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

/** @throws {AppError} E_SOURCE if a source address belongs to somebody */
function networkOf({ groups }: TuplePlan): NetworkPlan {
  const sources = groups.flatMap((group) => group.sources);
  const destinations = groups.flatMap((group) => group.destinations.map(({ ip }) => ip));
  return planNetwork({ sources, destinations, onLink: assertUnclaimed(sources, destinations) });
}

async function tuplesOf(plan: TuplePlan | undefined, hasAddressesAtWill: boolean): Promise<Tuples> {
  // With an unlimited supply of addresses, those already in use do not matter.
  if (!plan || hasAddressesAtWill) return { ...unusedTuples(plan), hasAddressesAtWill };
  const { tuples, doubtful, timeWaits } = await countTuplesInUse(plan);
  return { ...unusedTuples(plan), portsInUse: tuples, portsDoubtful: doubtful, timeWaits };
}

/** Returns the 4-tuples of a plan whose addresses nobody else uses. */
function unusedTuples(plan: TuplePlan | undefined): Tuples {
  const { tuples, doubtful, timeWaits } = NONE_IN_USE;
  const onLink = countOnLink(plan);
  return { plan, hasAddressesAtWill: false, portsInUse: tuples, portsDoubtful: doubtful, timeWaits, onLink };
}

function isLoopbackV4(ip: IpAddress): boolean {
  return formatIp(ip).startsWith("127.");
}

/** @throws {AppError} E_OPTION for mutually exclusive options */
function assertSense(options: CapacityOptions): void {
  const { role, sources, sourcePorts, connectRatePerSec, messageBytes, messageRatePerSec } = options;
  if (role === "server" && connectRatePerSec !== undefined) {
    throw new AppError("E_OPTION", "--connect-rate does not apply to a server: it opens no connections", {
      fix: "omit --connect-rate, or use --role client",
    });
  }
  if (role === "server" && (sources !== undefined || sourcePorts !== undefined)) {
    throw new AppError("E_OPTION", "a server does not choose source addresses or ports", {
      fix: "omit --source-ip and --source-port, or use --role client",
    });
  }
  if (options.transport === "packet" && role !== "server") checkPacketOptions(options);
  if (messageBytes !== undefined && messageRatePerSec === undefined) {
    throw new AppError("E_OPTION", "--message-size needs --message-rate", { fix: "add --message-rate" });
  }
}

/** Returns whether connect() is free to use all 16 million source addresses of loopback. */
function isAtWill(targets: PlannedTuples | undefined): boolean {
  const groups = targets?.plan.groups ?? [];
  return groups.length > 0 && groups.every(({ sources }) => isLoopbackV4(sources[0]!.first));
}

/** Returns the plan without unreachable destinations. */
function reachableOf({ plan, unreachable }: PlannedTuples): TuplePlan {
  const lost = new Set(unreachable.map(({ ip }: BadSource) => ip));
  const groups = plan.groups.map(({ sources, destinations }) => ({
    sources,
    destinations: destinations.filter(({ ip }) => !lost.has(formatIp(ip))),
  }));
  return { ...plan, groups: groups.filter(({ destinations }) => destinations.length > 0) };
}

/** Plans a client with this host's addresses and one remote destination. */
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
      fix: "pass the destination with --target, or the addresses with --source-ip",
    });
  }
  return { groups: [{ sources, destinations: [SOMEWHERE] }], ports: planPorts(spec, ports) };
}
