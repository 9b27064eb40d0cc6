// E9: one server, filled by clients without kernel sockets. The memory of the first connections predicts that of all
// of them, and how many this host can hold.

import { readMemoryRoom, roomAboveFloor } from "../../engine/memory-floor.js";
import type { CeilingEvidence, Evidence } from "../../results/lab/evidence.js";
import type { Prediction } from "../../results/prediction.js";
import { formatBytes, formatCount } from "../../util/units.js";
import { type Experiment, type LabContext, PORT, pause } from "../experiment.js";
import { ceilingEvidence } from "../observe/ceiling.js";
import { type ClientLoadResult, expectRoom, gather, HOST_LIMITS, jsonOf, startServer } from "../observe/client-load.js";
import { type Forecast, Forecaster } from "../observe/forecast.js";
import { PACKET_CLIENT, routePackets } from "../observe/packet-routes.js";
import { driftAtRest } from "../observe/scaling.js";
import { socketsAt } from "../observe/sockets-at.js";
import { rateOf, timelineOf } from "../observe/timeline.js";
import { commandOf, END_BY_HAND } from "../reproduce.js";

const CONNECTIONS = { quick: 30_000, full: 100_000, selected: 1_000_000 } as const;
/** Without a number given by the user, memory for this many bytes per connection must be free. */
const CAUTIOUS_BYTES = 6000;
/** Time to let slabs and counters settle. */
const SETTLE_MS = 250;
const TOLERANCE = 0.02;
/** With `-c max`, how many connections to request, relative to what doctor predicts. */
const BEYOND = 1.25;
/** Number of connections to request if doctor predicts no limit. */
const MANY = 10_000_000;

export const oneServer: Experiment = {
  id: "E9",
  title: "One server, five million",
  claims: ["C4"],
  claim:
    "What a server can hold is limited by the memory of its own sockets, and can be predicted from the first of them. Clients that take no kernel memory show it on one machine.",
  hasMax: true,
  quickMs: ({ connections }) => 7000 * Math.max(1, connections / 70_000),
  async run(context) {
    const { testbed } = context;
    const at = `${testbed.description.serverIp}:${PORT}`;
    await using routes = await routePackets(testbed);
    const doctorLine = ["doctor", "--role", "server", "--transport", "packet", "--for", "fourtuple", "--no-measure"];
    const doctor = await jsonOf<Prediction>(testbed.server.run([...doctorLine, "--json"]), "doctor");
    const connections = sizeFor(context, doctor);
    const drift = await driftAtRest();
    const server = await startServer({ testbed }, at);
    const forecaster = new Forecaster(connections, [server.process.pid!]);
    const args = [at, ...PACKET_CLIENT, "-c", `${connections}`];
    const clientLoad = await gather(context, args, {
      onProgress: (open, client) => forecaster.note(open, client.pid!),
    });
    await pause(context, SETTLE_MS);
    const takenBytes = forecaster.takenBytes();
    context.progress("both hosts' socket tables");
    const [{ ESTABLISHED: onServer = 0 }, { ESTABLISHED: onClient = 0 }] = await Promise.all([
      socketsAt(testbed.server, `:${PORT}`),
      socketsAt(testbed.client, at),
    ]);
    const result = await clientLoad.end();
    await server.end();
    const isMax = context.requested === "max";
    if (!isMax) expectRoom(result);
    const { forecast } = forecaster;
    const ceiling = ceilingEvidence(
      "the server",
      connections,
      forecast?.memoryAllows === undefined ? [] : [["host memory, from the slope", forecast.memoryAllows]],
      doctor.limits.filter(({ id }) => forecast?.memoryAllows === undefined || id !== "memory"),
    );
    const seen: Seen = { connections, isMax, takenBytes, onServer, onClient, result, ceiling, forecaster, drift };
    const first = ceiling.limits.find(({ binds }) => binds);
    return {
      setup: `a server on ${at}; ${formatCount(connections)} clients from ${PACKET_CLIENT.at(-1)} whose TCP is fourtuple's own (--transport packet)`,
      commands: [
        ...routes.make,
        `$server fourtuple ${doctorLine.join(" ")}`,
        server.command,
        `${commandOf(["connect", ...args, "-T", "1m"])} &`,
        `connected ${PORT} ${formatCount(connections)}`,
        `$server fourtuple ports :${PORT}`,
        END_BY_HAND,
        ...routes.remove,
      ],
      prediction: [
        `${formatCount(expected(seen))} ESTABLISHED sockets with local port ${PORT} on the server, none on the client`,
        forecast
          ? `from the first ${formatCount(forecast.madeAt)}: ${formatBytes(forecaster.predictedBytes(forecast, onServer))} of kernel memory, ${formatBytes(forecast.kernel.slope)} each`
          : "too few snapshots to predict memory",
        first ? `the first limit is ${first.name}, at ${formatCount(first.allows)} connections` : "no limit was found",
      ].join("; "),
      observed: [
        `${formatCount(onServer)} on the server and ${formatCount(onClient)} on the client`,
        `${formatBytes(takenBytes)} of kernel memory${forecast ? `, ${formatBytes(laterBytes(seen, forecast))} for each that followed` : ""}`,
        `opened in ${(result.rampMs / 1000).toFixed(1)} s, ${formatCount(result.ratePerSec)} per second`,
      ].join("; "),
      ...judge(seen),
      evidence: evidenceOf(seen),
    };
  },
};

interface Seen {
  readonly connections: number;
  readonly isMax: boolean;
  /** Kernel memory that the connections took. */
  readonly takenBytes: number;
  /** Number of ESTABLISHED sockets. */
  readonly onServer: number;
  readonly onClient: number;
  readonly result: ClientLoadResult;
  readonly ceiling: CeilingEvidence;
  readonly forecaster: Forecaster;
  readonly drift: Awaited<ReturnType<typeof driftAtRest>>;
}

function sizeFor({ requested, isSelected, isQuick }: LabContext, { ceiling }: Prediction): number {
  if (requested === "max") return typeof ceiling === "number" ? Math.ceil(ceiling * BEYOND) : MANY;
  if (requested !== undefined) return requested;
  const usual = isQuick ? CONNECTIONS.quick : isSelected ? CONNECTIONS.selected : CONNECTIONS.full;
  const affordable = Math.floor(roomAboveFloor(readMemoryRoom()) / CAUTIOUS_BYTES / 1000) * 1000;
  return Math.max(1000, Math.min(usual, affordable));
}

/** Returns the predicted number of connections. */
function expected({ connections, ceiling }: Pick<Seen, "connections" | "ceiling">): number {
  return Math.min(connections, ...ceiling.limits.map(({ allows }) => allows));
}

/** Returns the kernel memory per connection of those opened after the forecast. */
function laterBytes({ takenBytes, onServer }: Seen, forecast: Forecast): number {
  return (takenBytes - forecast.takenBytes) / Math.max(1, onServer - forecast.madeAt);
}

function judge(seen: Seen): Pick<Awaited<ReturnType<Experiment["run"]>>, "verdict" | "reason" | "isTimed"> {
  const { onServer, onClient, result, isMax } = seen;
  const { finding } = result.diagnosis;
  const wanted = expected(seen);
  if (onClient > 0) return { verdict: "refuted", reason: `the client has ${formatCount(onClient)} kernel sockets` };
  if (Math.abs(onServer - wanted) > wanted * (isMax ? TOLERANCE : 0)) {
    const isOther = finding !== undefined && !HOST_LIMITS.includes(finding.limit);
    const why =
      finding?.meaning ??
      (onServer > wanted ? "the host had room for more" : "not all were ESTABLISHED when the tables were read");
    const reason = `${formatCount(wanted)} connections were predicted, and ${formatCount(onServer)} were open: ${why}`;
    return { verdict: isMax && !isOther ? "refuted" : "inconclusive", reason, isTimed: true };
  }
  const obstacle = memoryObstacle(seen);
  return { verdict: obstacle === undefined ? "confirmed" : "inconclusive", reason: obstacle };
}

/** Returns why memory cannot be compared with its prediction; undefined if the two agree. */
function memoryObstacle({ takenBytes, onServer, forecaster, drift }: Seen): string | undefined {
  const { forecast } = forecaster;
  if (!forecast) return "the kernel's memory did not grow steadily enough to predict it";
  const predicted = forecaster.predictedBytes(forecast, onServer);
  const error = 2 * forecast.kernel.slopeError * onServer + drift.bytes;
  if (Math.abs(takenBytes - predicted) <= Math.max(TOLERANCE * predicted, error)) return undefined;
  return `the kernel's memory grew by ${formatBytes(takenBytes)}, not by ${formatBytes(predicted)} ± ${formatBytes(error)}; it is that of the whole machine, and changed by ${formatBytes(drift.bytes)} in ${drift.seconds} s while the lab was idle`;
}

function evidenceOf(seen: Seen): Evidence[] {
  const { onServer, onClient, result, ceiling, takenBytes, forecaster } = seen;
  const { forecast, points } = forecaster;
  return [
    {
      kind: "table",
      title: "ESTABLISHED sockets, counted by each host's kernel",
      columns: ["host", "sockets"],
      rows: [
        ["server", onServer],
        ["client", onClient],
      ],
    },
    ...(forecast
      ? [
          {
            kind: "table" as const,
            title: "Predicted and measured",
            columns: ["", `predicted from the first ${formatCount(forecast.madeAt)}`, "measured"],
            rows: [
              ["connections", formatCount(expected(seen)), formatCount(onServer)],
              ["kernel memory", formatBytes(forecaster.predictedBytes(forecast, onServer)), formatBytes(takenBytes)],
              [
                "kernel memory per connection",
                formatBytes(forecast.kernel.slope),
                `${formatBytes(laterBytes(seen, forecast))} (of those that followed)`,
              ],
              ["user memory per connection", formatBytes(forecast.userBytesPerConnection), "-"],
            ],
          },
          {
            kind: "fit" as const,
            title: "Kernel memory of the first connections",
            x: { name: "connections", unit: "" },
            y: { name: "memory", unit: "KiB" },
            points: points.map(({ connections, kernelBytes }) => [connections, kernelBytes / 1024] as const),
            slope: forecast.kernel.slope / 1024,
            intercept: forecast.kernel.intercept / 1024,
            slopeError: forecast.kernel.slopeError / 1024,
            r2: forecast.kernel.r2,
          },
        ]
      : []),
    timelineOf(result),
    rateOf(result),
    ceiling,
    {
      kind: "latency",
      title: "Time to connect",
      rows: [
        { name: "ESTABLISHED", summary: result.latency.connect },
        { name: "first byte", summary: result.latency.firstByte },
      ],
    },
  ];
}
