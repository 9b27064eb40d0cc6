// Predicts the maximum number of connections on this host, the limit that caps it, and the limits that come next.

import { loadBetween, readCpuTimes } from "../linux/proc/host-cpu.js";
import { countOnLink, missingSettings, type NetworkPlan } from "../planning/packet/network.js";
import { blocksOf, formatBlock } from "../planning/packet/plan.js";
import type { HostLoad } from "../results/fields.js";
import type { LimitRow } from "../results/limits.js";
import type { Answer, ConnectionCost, Prediction, Program } from "../results/prediction.js";
import { readListeners } from "../socket-table/listeners/listeners.js";
import { obstacleWords } from "../transport/obstacle-words.js";
import { toBound } from "../util/bound.js";
import { describeHostLoad } from "../util/host-load.js";
import { formatCount, plural } from "../util/units.js";
import { type Calibration, calibrate, uncalibrated } from "./calibration.js";
import { enginesFor } from "./engines.js";
import { type HostFacts, readHostFacts } from "./host-facts.js";
import { LIMITS } from "./limits/catalogue.js";
import { neighbourNote } from "./limits/neighbours.js";
import { isWithoutListener, roomAsProxy } from "./limits/peer.js";
import { clientAddressesFor } from "./limits/ports.js";
import { byUrgency, toRow } from "./limits/rows.js";
import { connectRateOf } from "./limits/time-wait.js";
import { bytesPerConnection, cpuPerConnection, cpuPerMessage, type Load } from "./load.js";
import { type CapacityOptions, resolveQuestion } from "./options.js";
import { imagine, isWhatIf } from "./what-if.js";

export interface Examined {
  /** How packets of a client without kernel sockets get to other hosts; undefined for other clients. */
  readonly network?: NetworkPlan | undefined;
  readonly facts: HostFacts;
  readonly load: Load;
  /** The load that the other kind of program would cause; undefined if it would be the same. */
  readonly beside?: Load | undefined;
  readonly obstacle: string | undefined;
  /** CPU use of other processes during the measurement; undefined if nothing was measured. */
  readonly hostLoad?: HostLoad | undefined;
}

/**
 * Predicts how many connections this host can hold and which limit stops it from holding more.
 *
 * @throws {AppError} E_OPTION, E_ADDRESS, E_RESOLVE, E_SOURCE or E_NO_SOURCE for an invalid option; E_PERMISSION or
 *   E_PLATFORM if io_uring was requested but is unavailable
 */
export async function predictCapacity(options: CapacityOptions = {}): Promise<Prediction> {
  return predict(await examine(options), isWhatIf(options));
}

/**
 * Predicts like predictCapacity(), without the limits of the server's own processes. To find these takes seconds on a
 * host with millions of descriptors.
 */
export async function predictWithoutServer(options: CapacityOptions): Promise<Prediction> {
  return predict(await examine(options, false), isWhatIf(options));
}

/**
 * Reads the host's facts and measures the cost of a connection.
 * @param inspectsServer whether to find the processes of a server on this host
 */
export async function examine(options: CapacityOptions, inspectsServer = true): Promise<Examined> {
  const { tuples, network, ...question } = await resolveQuestion(options, inspectsServer);
  const engines = enginesFor(options.engine ?? "auto", question.connections);
  const before = readCpuTimes();
  const calibration: Calibration =
    options.measure === false
      ? uncalibrated(undefined, options.protocol)
      : await calibrate({
          engines,
          scheme: options.protocol,
          messageBytes: question.messageRatePerSec > 0 ? question.messageBytes : undefined,
          signal: options.signal,
        });
  const hostLoad = options.measure === false ? undefined : loadBetween(before, readCpuTimes());
  const loadOf = (program: Program): Load => ({
    ...question,
    ...tuples[program],
    program,
    engines,
    cost: costOf(program, calibration, options),
  });
  // Only fourtuple itself can be a client without kernel sockets.
  const isPacketClient = options.transport === "packet" && question.role === "client";
  const { program = isPacketClient ? "fourtuple" : "ordinary" } = options;
  const listening = await readListeners({});
  const ports = [...new Set(listening.map(({ port }) => port))];
  const facts = await readHostFacts(ports, question.device, question.port);
  return {
    network,
    facts: imagine(facts, options),
    load: loadOf(program),
    beside: loadOf(otherThan(program)),
    obstacle: calibration.obstacle,
    hostLoad,
  };
}

function otherThan(program: Program): Program {
  return program === "ordinary" ? "fourtuple" : "ordinary";
}

/** Returns the cost of a connection. For fourtuple, the memory per connection is known and the option is ignored. */
function costOf(
  program: Program,
  { cost }: Calibration,
  { memoryPerConnectionBytes }: CapacityOptions,
): ConnectionCost {
  if (program === "fourtuple" || memoryPerConnectionBytes === undefined) return cost;
  return { ...cost, userBytesPerEnd: memoryPerConnectionBytes, isUserMemoryGiven: true };
}

export function predict(examined: Examined, whatIf = false): Prediction {
  const { facts, load, beside, obstacle, hostLoad, network } = examined;
  const { limits, binding, behind, ceiling, isTargetMet } = answer(facts, load);
  const program = otherThan(load.program);
  const other = answer(facts, { ...(beside ?? load), program });
  const answers = {
    [load.program]: { ceiling: toBound(ceiling), isTargetMet, binding },
    [program]: { ceiling: toBound(other.ceiling), isTargetMet: other.isTargetMet, binding: other.binding },
  };
  return {
    kind: "prediction",
    version: 1,
    takenAt: new Date().toISOString(),
    program: load.program,
    answers: answers as Record<Program, Answer>,
    role: load.role,
    transport: load.transport,
    network: network && describeNetwork(network),
    target: load.target,
    connections: load.connections,
    ceiling: toBound(ceiling),
    isTargetMet,
    binding,
    next: behind.slice(0, 3),
    limits,
    unknown: limits.filter(({ verdict }) => verdict === "unknown").map(({ id }) => id),
    notes: [...notesOn(facts, load, binding), ...loadNotes(load, hostLoad)],
    hostLoad,
    engines: { client: load.engines.client, server: load.engines.server },
    cost: { ...load.cost, bytesPerConnection: bytesPerConnection(load) },
    obstacle,
    cores: facts.cores,
    rampSeconds: (load.connections * cpuPerConnection(load)) / facts.cpus,
    messages: { ratePerSec: load.connections * load.messageRatePerSec, bytes: load.messageBytes },
    cpu: {
      connectionsPerSec: facts.cpus / cpuPerConnection(load),
      messagesPerSec: facts.cpus / cpuPerMessage(load),
    },
    rate: connectRateOf(facts, load),
    clients: load.role === "server" ? clientsFor(facts, load) : undefined,
    isWhatIf: whatIf,
  };
}

function answer(facts: HostFacts, load: Load) {
  const limits = LIMITS.map((limit) => toRow(limit, facts, load)).sort(byUrgency);
  const bounded = limits.filter((row): row is LimitRow & { allows: number } => typeof row.allows === "number");
  const [binding, ...behind] = bounded.sort((a, b) => a.allows - b.allows);
  const ceiling = binding?.allows ?? Number.POSITIVE_INFINITY;
  return { limits, binding, behind, ceiling, isTargetMet: ceiling >= load.connections };
}

/** Returns a note if other processes may have distorted the measurement. */
function loadNotes({ cost }: Load, hostLoad: HostLoad | undefined): string[] {
  const busy = describeHostLoad(hostLoad);
  if (busy === undefined || !cost.isMeasured) return [];
  return [`${busy} while the cost of a connection was measured, so the cost may be inaccurate`];
}

function describeNetwork(network: NetworkPlan): Prediction["network"] {
  const blocks = network.sources.flatMap(blocksOf).map(formatBlock);
  return {
    way: network.way,
    blocks,
    links: [...network.links],
    onLink: countOnLink(network.onLink),
    changes: missingSettings(network),
  };
}

function notesOn(facts: HostFacts, load: Load, binding: LimitRow | undefined): string[] {
  const { portsDoubtful, peer, connections, target } = load;
  const notes: string[] = [];
  if (load.transport === "packet" && load.role === "client") {
    notes.push(
      "a client without kernel sockets meets the server's limits first: there, run doctor --transport packet --role server",
    );
  }
  if (isWithoutListener(load) && facts.translation !== "none") {
    notes.push(
      `nothing listens on ${target}, but NAT rules ${facts.translation === "present" ? "are" : "may be"} in force here and may redirect it to a server that fourtuple cannot see`,
    );
  }
  if (peer?.wasCutShort) {
    notes.push(
      "the search for the server's processes was cut short, because this host has many processes or open files: their limits are unknown",
    );
  }
  const { softAtStart } = facts;
  if (
    load.program === "ordinary" &&
    softAtStart !== undefined &&
    softAtStart < Math.min(facts.nofile.hard, connections)
  ) {
    notes.push(
      `a program that does not raise its soft open-file limit stops at ${formatCount(softAtStart)} (ulimit -Sn)`,
    );
  }
  const { obstacle } = load.engines;
  if (load.program === "fourtuple" && obstacle) {
    const { reason, fix } = obstacleWords(obstacle);
    notes.push(`fourtuple uses epoll: ${reason}; for io_uring: ${fix}`);
  }
  const neighbour = neighbourNote(facts, load, binding?.id);
  if (neighbour) notes.push(neighbour);
  const asProxy = roomAsProxy(facts, load);
  if (asProxy !== undefined && asProxy < connections && 2 * asProxy >= connections) {
    notes.push(`a proxy uses two descriptors per client: if the server is a proxy, it holds ${formatCount(asProxy)}`);
  }
  if (facts.ignoresFileMax && binding?.id === "file-max" && (binding.allows as number) < connections) {
    notes.push("a program with CAP_SYS_ADMIN can exceed fs.file-max; all others on this host then fail with ENFILE");
  }
  if (portsDoubtful > 0) {
    notes.push(
      `${plural(portsDoubtful, "4-tuple")} more may be in use: other sockets have the port, and the kernel does not show whether they bound it by number`,
    );
  }
  const queued = peer?.queues.reduce((sum, { room = 0 }) => sum + room, 0) ?? 0;
  if (binding?.id === "peer-nofile" && (binding.allows as number) < connections && queued > 0) {
    notes.push(
      `a server that stops accepting when out of descriptors leaves up to ${formatCount(queued)} more in its accept queue, which clients see as open but unanswered`,
    );
  }
  return notes;
}

function clientsFor(facts: HostFacts, load: Load): Prediction["clients"] {
  // A client host can be given any number of addresses, so the other limits decide.
  const asClient: Load = { ...load, role: "client", peer: undefined };
  const held = LIMITS.map((limit) => limit.allows?.(facts, asClient) ?? Number.POSITIVE_INFINITY);
  return {
    addresses: clientAddressesFor(load.connections),
    hosts: Math.ceil(load.connections / Math.max(1, Math.min(...held))),
  };
}
