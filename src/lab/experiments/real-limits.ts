// E5: real limits. The experiment measures memory and CPU time per connection as slopes over growing loads, and CPU
// time and bytes per message, and derives this host's limit.

import { readCpuSeconds } from "../../linux/proc/process-facts.js";
import type { Evidence } from "../../results/lab/evidence.js";
import type { Subprocess } from "../../util/subprocess.js";
import { formatBytes, formatCount } from "../../util/units.js";
import { type Experiment, type LabContext, PORT, pause } from "../experiment.js";
import { ceilingOf, HEARTBEAT_SECONDS } from "../observe/ceiling.js";
import { type ClientLoad, gather, HOST_LIMITS, startServer } from "../observe/client-load.js";
import { distanceFrom, fitLine, type Line } from "../observe/fit.js";
import { driftAtRest, grow, type Sample, type Scaling } from "../observe/scaling.js";
import { END_BY_HAND } from "../reproduce.js";
import type { Host } from "../testbed/host.js";

const STEPS = 6;
/** Minimum number of steps for a meaningful slope. */
const LEAST_STEPS = 5;
const STEP_CONNECTIONS = { quick: 5000, full: 20_000 } as const;
/**
 * The rate is high enough to keep both ends busy, because the cost of waking a sleeping program is not typical of a
 * load.
 */
const MESSAGES = { connections: 2000, ratePerSec: 20, seconds: { quick: 3, full: 10 } } as const;
/** Minimum R² for a good fit. */
const GOOD_FIT = 0.98;

/** Cost of a message and its answer at both ends. */
interface Exchange {
  readonly cpuSeconds: number;
  /** Bytes in both directions, including headers and acknowledgements. */
  readonly wireBytes: number;
  /** Bytes in the busier direction. */
  readonly fullerBytes: number;
}

type Drift = Awaited<ReturnType<typeof driftAtRest>>;

export const realLimits: Experiment = {
  id: "E5",
  title: "What the real limits are",
  claims: ["C4"],
  claim: "Memory, CPU and bandwidth limit a server, each at a fixed cost per connection or message.",
  quickMs: () => 12_000,
  async run(context) {
    const at = `${context.testbed.description.serverIp}:${PORT}`;
    const step = context.isQuick ? STEP_CONNECTIONS.quick : STEP_CONNECTIONS.full;
    const drift = await driftAtRest();
    const scaling = await grow(
      context,
      at,
      Array.from({ length: STEPS }, (_, i) => (i + 1) * step),
    );
    const { samples } = scaling;
    const commands = [...scaling.commands];
    const messages = await exchange(context, at, commands);
    const kernel = fitLine(kernelPoints(samples));
    const user = fitLine(samples.map(({ connections, userBytes }) => [connections, userBytes]));
    const cpu = fitLine(samples.map(({ connections, cpuSeconds }) => [connections, cpuSeconds]));
    const { ceiling, isOfPorts } = await ceilingOf(context.connections, {
      bytesPerConnection: kernel && kernel.slope > 0 ? kernel.slope + Math.max(0, user?.slope ?? 0) : undefined,
      cpuSecondsPerMessage: messages?.cpuSeconds,
      wireBytesPerMessage: messages?.fullerBytes,
    });
    const binding = ceiling.limits.find(({ binds }) => binds);
    const obstacle = findObstacle(scaling, kernel, drift, messages);
    const cpuText = cpu && cpu.slope > 0 ? `${(cpu.slope * 1e6).toFixed(0)} µs` : UNKNOWN;
    const heartbeat = messages && (messages.wireBytes / HEARTBEAT_SECONDS).toFixed(1);
    return {
      setup: `connections added in ${STEPS} steps of ${formatCount(step)}; then ${formatCount(MESSAGES.connections)} connections that exchange ${formatCount(MESSAGES.connections * MESSAGES.ratePerSec)} messages per second`,
      commands,
      prediction:
        "memory grows linearly with the number of connections, and a resource or a setting runs out first, not ports",
      observed: [
        `per connection, both ends: kernel memory ${kernelText(kernel)}, user memory ${userText(user)}, CPU to open it ${cpuText}`,
        messages
          ? `per message and answer: CPU ${(messages.cpuSeconds * 1e6).toFixed(0)} µs, ${messages.wireBytes.toFixed(0)} bytes on the wire; a heartbeat every ${HEARTBEAT_SECONDS} s takes ${heartbeat} bytes per second`
          : "no message was answered",
        binding
          ? `the first limit reached on this host is ${binding.name}, at ${formatCount(binding.allows)} connections`
          : "no limit was found",
      ].join("; "),
      verdict: obstacle?.verdict ?? (isOfPorts ? "refuted" : "confirmed"),
      reason: obstacle?.reason ?? (isOfPorts ? "ports run out first" : undefined),
      evidence: [
        ...fitEvidence("Kernel memory, both ends", "memory", "KiB", samples, (each) => each.kernelBytes / 1024),
        ...fitEvidence("User memory of server and client", "memory", "KiB", samples, (each) => each.userBytes / 1024),
        ...fitEvidence("CPU time of server and client", "CPU time", "ms", samples, (each) => each.cpuSeconds * 1000),
        {
          kind: "table",
          title: "Cost per connection and message",
          columns: ["", "per connection", "per message and answer", `heartbeat (${HEARTBEAT_SECONDS} s), per second`],
          rows: [
            ["kernel memory (both ends)", kernelText(kernel), "-", "-"],
            ["user memory (both ends)", userText(user), "-", "-"],
            ["CPU", cpuText, ...perMessage(messages?.cpuSeconds, 1e6, " µs")],
            ["bytes on the wire", "-", ...perMessage(messages?.wireBytes, 1, "")],
            [`idle kernel memory, ${drift.seconds} s`, `drifts by ${formatBytes(drift.bytes)}`, "-", "-"],
          ],
        },
        ceiling,
      ],
    };
  },
};

const UNKNOWN = "not measured";
/** Maximum relative error for a cost to be usable. */
const WORST_ERROR = 0.5;

interface Obstacle {
  readonly verdict: "inconclusive" | "skipped";
  readonly reason: string;
}

function unclear(reason: string): Obstacle {
  return { verdict: "inconclusive", reason };
}

/** Returns why the points do not yield a cost; undefined if they do. */
function findObstacle(
  { samples, result }: Scaling,
  kernel: Line | undefined,
  drift: Drift,
  messages: Exchange | undefined,
): Obstacle | undefined {
  if (samples.length < LEAST_STEPS || kernel === undefined) {
    const { finding } = result.diagnosis;
    const why = finding?.meaning ?? `${formatCount(result.peakOpen)} connections were open at peak`;
    const reason = `only ${samples.length} of ${STEPS} sizes could be measured: ${why}`;
    return HOST_LIMITS.includes(finding?.limit ?? "") ? { verdict: "skipped", reason } : unclear(reason);
  }
  // Slab memory is shared by the whole machine. The drift of slab memory was measured before the first connection.
  const atRest = `while idle it changed by ${formatBytes(drift.bytes)} in ${drift.seconds} s`;
  if (kernel.slope <= 0) return unclear(`the kernel's memory did not grow with the connections; ${atRest}`);
  if (kernel.r2 < GOOD_FIT) {
    const distance = distanceFrom(kernel, kernelPoints(samples));
    const judged =
      drift.bytes >= distance ? "so the figure includes other programs' memory" : "which does not explain it";
    return unclear(
      `kernel memory deviates from a straight line by ${formatBytes(distance)} on average, R² is ${kernel.r2.toFixed(2)}; ${atRest}, ${judged}`,
    );
  }
  return messages === undefined ? unclear("no message was answered") : undefined;
}

/** Measures the cost of a message and its answer; undefined if no message was answered. */
async function exchange(context: LabContext, at: string, commands: string[]): Promise<Exchange | undefined> {
  const { testbed, isQuick } = context;
  const server = await startServer({ testbed }, at, ["--mode", "echo", "--log", "none"]);
  const { connections, ratePerSec } = MESSAGES;
  const seconds = isQuick ? MESSAGES.seconds.quick : MESSAGES.seconds.full;
  const clientLoad = await gather(context, [
    ...[at, "-c", String(connections), "--source-ip", testbed.description.clientIps],
    ...["-m", "ping", "-r", String(ratePerSec)],
  ]);
  const before = await meter(testbed.client, clientLoad, server.process);
  await pause(context, seconds * 1000);
  const after = await meter(testbed.client, clientLoad, server.process);
  await clientLoad.end();
  await server.end();
  commands.push(server.command, clientLoad.command, END_BY_HAND);
  const messages = after.messages - before.messages;
  if (messages <= 0) return undefined;
  const received = (after.received - before.received) / messages;
  const sent = (after.sent - before.sent) / messages;
  // Over loopback, everything sent is also received, so a single counter covers both directions.
  const isLoopback = testbed.client.device === "lo";
  return {
    cpuSeconds: (after.cpuSeconds - before.cpuSeconds) / messages,
    wireBytes: isLoopback ? received : received + sent,
    fullerBytes: isLoopback ? received / 2 : Math.max(received, sent),
  };
}

async function meter(host: Host, clientLoad: ClientLoad, server: Subprocess) {
  const devices = await host.exec("cat", ["/proc/net/dev"]);
  const cells = devices
    .split("\n")
    .find((line) => line.trim().startsWith(`${host.device}:`))
    ?.split(":")[1]
    ?.trim()
    .split(/\s+/)
    .map(Number);
  const pids = [clientLoad.process.pid!, server.pid!];
  return {
    messages: clientLoad.last?.answeredMessages ?? 0,
    cpuSeconds: pids.reduce((sum, pid) => sum + (readCpuSeconds(pid) ?? 0), 0),
    // Columns 1 and 9 of /proc/net/dev.
    received: cells?.[0] ?? 0,
    sent: cells?.[8] ?? 0,
  };
}

function kernelPoints(samples: readonly Sample[]) {
  return samples.map(({ connections, kernelBytes }) => [connections, kernelBytes] as const);
}

/** The figures include other programs' memory, so a slope close to its error is not usable. */
function kernelText(kernel: Line | undefined): string {
  if (kernel === undefined) return UNKNOWN;
  if (!(kernel.slope * WORST_ERROR > kernel.slopeError)) return "not measurable now";
  return `${formatBytes(kernel.slope)} ± ${formatBytes(kernel.slopeError)}`;
}

/** A starting thread or garbage collection outweighs the connections of a step. */
function userText(user: Line | undefined): string {
  if (user === undefined) return UNKNOWN;
  const { slope, slopeError } = user;
  if (slope > 2 * slopeError) return formatBytes(slope);
  return `at most ${formatBytes(Math.max(0, slope) + 2 * slopeError)}`;
}

function perMessage(cost: number | undefined, factor: number, unit: string): [string, string] {
  if (cost === undefined) return [UNKNOWN, UNKNOWN];
  const format = (value: number) => `${(value * factor).toFixed(1)}${unit}`;
  return [format(cost), format(cost / HEARTBEAT_SECONDS)];
}

/** Returns the fitted line as evidence; an empty string if no line can be fitted. */
function fitEvidence(
  title: string,
  name: string,
  unit: string,
  samples: readonly Sample[],
  value: (sample: Sample) => number,
): Evidence[] {
  const points = samples.map((sample) => [sample.connections, value(sample)] as const);
  const line = fitLine(points);
  return line ? [{ kind: "fit", title, x: { name: "connections", unit: "" }, y: { name, unit }, points, ...line }] : [];
}
