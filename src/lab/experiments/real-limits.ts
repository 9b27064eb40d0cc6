// E5: what the real limits are. Memory and CPU per connection as the slope over growing crowds, CPU and bytes per message,
// and from them what ends first on this host.
import { setTimeout as delay } from "node:timers/promises";
import { formatBytes, formatCount } from "../../base/units.js";
import type { ConnectSnapshot } from "../../connect/result.js";
import { predictCapacity } from "../../doctor/predict.js";
import { readMemoryRoom, roomAboveFloor } from "../../engine/memory-floor.js";
import { readMemoryUse } from "../../engine/memory-use.js";
import { readCpuSeconds } from "../../sys/process-facts.js";
import { readResidentBytes } from "../../sys/procfs.js";
import { commandOf, END_BY_HAND } from "../by-hand.js";
import { type Crowd, type CrowdResult, gather, startServer } from "../crowd.js";
import { type Experiment, type LabContext, PORT, pause } from "../experiment.js";
import { fitLine, type Line } from "../fit.js";
import type { Host } from "../host.js";
import type { HostProcess } from "../host-process.js";
import type { CeilingEvidence, FitEvidence } from "../result.js";

const STEPS = 6;
const STEP_MS = 800;
const STEP_CONNECTIONS = { quick: 5000, full: 20_000 } as const;
/** A wait for slabs and counters to settle after a step. */
const SETTLE_MS = 250;
const MESSAGES = { connections: 2000, ratePerSec: 2, seconds: { quick: 3, full: 10 } } as const;
/** The fit is good when a straight line explains nearly all of it. */
const GOOD_FIT = 0.98;

interface Sample {
  readonly connections: number;
  readonly kernelBytes: number;
  readonly userBytes: number;
  readonly cpuSeconds: number;
}

export const realLimits: Experiment = {
  id: "E5",
  title: "What the real limits are",
  claims: ["C4"],
  claim: "Memory, CPU and bandwidth limit a server, each by a fixed price per connection or message.",
  async run(context) {
    const { place } = context;
    const at = `${place.description.serverIp}:${PORT}`;
    const { samples, commands } = await grow(context, at);
    const kernel = fitOf(samples, ({ kernelBytes }) => kernelBytes);
    const user = fitOf(samples, ({ userBytes }) => userBytes);
    const cpu = fitOf(samples, ({ cpuSeconds }) => cpuSeconds);
    const messages = await exchange(context, at, commands);
    const ceiling = await ceilingOf(context, kernel.slope + Math.max(0, user.slope));
    const binding = ceiling.limits.find(({ binds }) => binds);
    // Slabs are the whole machine's: where others are at work the points say nothing of these connections.
    const isMeasured = kernel.r2 >= GOOD_FIT && kernel.slope > 0;
    const kernelText = `${formatBytes(kernel.slope)} ± ${formatBytes(kernel.slopeError)}`;
    return {
      setup: `a crowd that grows in ${STEPS} steps of ${formatCount(stepOf(context))}; then ${formatCount(MESSAGES.connections)} connections that exchange messages`,
      commands,
      prediction: "memory grows in a straight line with the crowd, and it or a setting ends first, not ports",
      observed: `${kernelText} of kernel memory and ${userText(user)} of user memory per connection, both ends; ${(cpu.slope * 1e6).toFixed(0)} µs of CPU to open one, ${(messages.cpuSeconds * 1e6).toFixed(0)} µs and ${messages.bytes.toFixed(0)} bytes on the wire per message and answer; this host ends at ${formatCount(binding?.allows ?? 0)}: ${binding?.name ?? "no limit"}`,
      verdict: isMeasured ? "confirmed" : "not possible here",
      reason: isMeasured ? undefined : `the memory of other programs moved meanwhile: R² is ${kernel.r2.toFixed(2)}`,
      evidence: [
        fitEvidence("Kernel memory, both ends", "memory", "KiB", samples, ({ kernelBytes }) => kernelBytes / 1024),
        fitEvidence("User memory of server and client", "memory", "KiB", samples, ({ userBytes }) => userBytes / 1024),
        fitEvidence("CPU time of server and client", "CPU time", "ms", samples, ({ cpuSeconds }) => cpuSeconds * 1000),
        {
          kind: "table",
          title: "What things cost",
          columns: ["", "per connection", "per message and answer"],
          rows: [
            ["kernel memory (both ends)", kernelText, "-"],
            ["user memory (both ends)", userText(user), "-"],
            ["CPU", `${(cpu.slope * 1e6).toFixed(0)} µs`, `${(messages.cpuSeconds * 1e6).toFixed(1)} µs`],
            ["bytes on the wire", "-", messages.bytes.toFixed(0)],
          ],
        },
        ceiling,
      ],
    };
  },
};

/** What each limit allows, memory by the fit: both ends of each connection are on this machine. */
async function ceilingOf({ connections }: LabContext, bytesPerConnection: number): Promise<CeilingEvidence> {
  const { limits } = await predictCapacity({ connections, measure: false, role: "both" });
  const byFit = Math.floor(roomAboveFloor(readMemoryRoom()) / bytesPerConnection);
  const allowed = limits.flatMap(({ id, name, allows }) => {
    if (id === "memory") return [{ name: "memory, by the fit", allows: byFit }];
    return typeof allows === "number" && id !== "cgroup-memory" ? [{ name, allows }] : [];
  });
  const least = Math.min(...allowed.map(({ allows }) => allows));
  return {
    kind: "ceiling",
    title: "What each limit of this machine allows, both ends here",
    wanted: connections,
    limits: allowed.map((limit) => ({ ...limit, binds: limit.allows === least })),
  };
}

/** Grows a crowd step by step, and measures at each. */
async function grow(context: LabContext, at: string): Promise<{ samples: Sample[]; commands: string[] }> {
  const { place } = context;
  const server = await startServer({ place }, at);
  const step = stepOf(context);
  const sizes = Array.from({ length: STEPS }, (_, i) => (i + 1) * step);
  const stages = sizes.flatMap((size) => ["--stage", `${STEP_MS}ms:${size}`, "--stage", `${3 * SETTLE_MS}ms:${size}`]);
  const args = [at, ...stages, "--source-ip", place.description.clientIps];
  const line = ["connect", ...args, "-T", "1s", "--close", "rst", "--authorized", "--json"];
  const client = place.client.run(line);
  const samples: Sample[] = [];
  const measured = new Set<number>();
  const measuring: Promise<void>[] = [];
  client.on("told", (message) => {
    const { open } = message as ConnectSnapshot;
    context.progress(`${formatCount(open)} connections`);
    if (measured.has(open) || !sizes.includes(open)) return;
    measured.add(open);
    measuring.push(delay(SETTLE_MS).then(() => void samples.push(sampleOf(open, [server.process, client]))));
  });
  await client.result;
  await Promise.all(measuring);
  await server.end();
  return { samples, commands: [server.command, commandOf(["connect", ...args]), END_BY_HAND] };
}

function sampleOf(connections: number, processes: readonly HostProcess[]): Sample {
  const pids = processes.map(({ pid }) => pid!);
  return {
    connections,
    kernelBytes: readMemoryUse().kernelBytes,
    userBytes: pids.reduce((sum, pid) => sum + (readResidentBytes(pid) ?? 0), 0),
    cpuSeconds: pids.reduce((sum, pid) => sum + (readCpuSeconds(pid) ?? 0), 0),
  };
}

/** CPU seconds and bytes on the wire for a message and its answer. */
async function exchange(
  context: LabContext,
  at: string,
  commands: string[],
): Promise<{ cpuSeconds: number; bytes: number }> {
  const { place, isQuick } = context;
  const server = await startServer({ place }, at, ["--mode", "echo", "--log", "none"]);
  const { connections, ratePerSec } = MESSAGES;
  const seconds = isQuick ? MESSAGES.seconds.quick : MESSAGES.seconds.full;
  const crowd = await gather(context, [
    ...[at, "-c", String(connections), "--source-ip", place.description.clientIps],
    ...["-m", "ping", "-r", String(ratePerSec)],
  ]);
  const before = await meter(place.client, crowd, server.process);
  await pause(context, seconds * 1000);
  const after = await meter(place.client, crowd, server.process);
  const result: CrowdResult = await crowd.end();
  await server.end();
  commands.push(server.command, crowd.command, END_BY_HAND);
  const messages = Math.max(1, after.messages - before.messages);
  return {
    cpuSeconds: (after.cpuSeconds - before.cpuSeconds) / messages,
    bytes: result.traffic.answeredMessages === 0 ? 0 : (after.bytes - before.bytes) / messages,
  };
}

async function meter(host: Host, crowd: Crowd, server: HostProcess) {
  const devices = await host.exec("cat", ["/proc/net/dev"]);
  const cells = devices
    .split("\n")
    .find((line) => line.trim().startsWith(`${host.device}:`))
    ?.split(":")[1]
    ?.trim()
    .split(/\s+/)
    .map(Number);
  const pids = [crowd.process.pid!, server.pid!];
  return {
    messages: crowd.last?.answeredMessages ?? 0,
    cpuSeconds: pids.reduce((sum, pid) => sum + (readCpuSeconds(pid) ?? 0), 0),
    // Received and sent bytes: the first and the ninth column. Over loopback what is sent is received there as well.
    bytes: cells ? (cells[0]! + cells[8]!) / (host.device === "lo" ? 2 : 1) : 0,
  };
}

/** A thread's start or a collection of garbage weighs more than the connections of a step. */
function userText({ slope, slopeError }: Line): string {
  if (slope > 2 * slopeError) return formatBytes(slope);
  return `at most ${formatBytes(Math.max(0, slope) + 2 * slopeError)}`;
}

function stepOf({ isQuick }: LabContext): number {
  return isQuick ? STEP_CONNECTIONS.quick : STEP_CONNECTIONS.full;
}

function fitOf(samples: readonly Sample[], value: (sample: Sample) => number): Line {
  return fitLine(samples.map((sample) => [sample.connections, value(sample)]));
}

function fitEvidence(
  title: string,
  name: string,
  unit: string,
  samples: readonly Sample[],
  value: (sample: Sample) => number,
): FitEvidence {
  const points = samples.map((sample) => [sample.connections, value(sample)] as const);
  return {
    kind: "fit",
    title,
    x: { name: "connections", unit: "" },
    y: { name, unit },
    points,
    ...fitLine(points),
  };
}
