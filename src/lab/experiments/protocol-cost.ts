// E8: cost of a connection with each protocol. In the client's host, `doctor --protocol` measures memory, and CPU time
// to open a connection and to send a heartbeat.
import { SCHEMES } from "../../protocols/spec/address.js";
import type { Evidence } from "../../results/lab/evidence.js";
import type { Prediction, ProtocolCost } from "../../results/prediction.js";
import { formatBytes, formatDuration } from "../../util/units.js";
import type { Experiment, LabContext, Outcome } from "../experiment.js";
import { jsonOf } from "../observe/client-load.js";

const PROTOCOLS = [
  ["tcp", "TCP"],
  ["ws", "WebSocket"],
  ["tls", "TLS"],
  ["wss", "TLS + WebSocket"],
  ["mqtt", "MQTT"],
] as const;
/** What stands in for a heartbeat in protocols without one: a message and its echo. */
const MESSAGE = ["--message-rate", "1", "--message-size", "4"];
/** Opening a TLS connection takes at least this many times the CPU time of opening a plain connection. */
const TLS_FACTOR = 3;

type Scheme = (typeof PROTOCOLS)[number][0];

/** Cost of a connection, summed over both ends. */
interface Cost {
  readonly name: string;
  /** Whether user memory was measured: without TLS, there is too little to measure, and it is known from the code. */
  readonly isUserMeasured: boolean;
  readonly kernelBytes: number;
  readonly userBytes: ProtocolCost["userBytes"];
  readonly openingSeconds: ProtocolCost["cpuSecondsPerConnection"];
  readonly heartbeatSeconds: number;
}

export const protocolCost: Experiment = {
  id: "E8",
  title: "What a connection costs with each protocol",
  claims: ["C4"],
  claim: "TLS is what makes a connection expensive, not the protocol on top of it.",
  quickMs: () => 22_000,
  async run(context) {
    const commands: string[] = [];
    const costs = new Map<Scheme, Cost>();
    for (const [scheme, name] of PROTOCOLS) {
      context.progress(name);
      const { cost, obstacle } = await measure(context, scheme, commands);
      if (!cost.isMeasured || !cost.protocol) return unmeasured(`${name}: ${obstacle ?? "it could not be measured"}`);
      costs.set(scheme, { name, isUserMeasured: SCHEMES[scheme].isSecure, ...costOf(cost, cost.protocol) });
    }
    return judge((scheme) => costs.get(scheme)!, commands);
  },
};

async function measure({ testbed }: LabContext, scheme: Scheme, commands: string[]): Promise<Prediction> {
  const heartbeat = scheme === "tcp" || scheme === "tls" ? MESSAGE : [];
  const line = ["doctor", "--protocol", scheme, "-c", "1k", ...heartbeat];
  const command = `$client fourtuple ${line.join(" ")}`;
  commands.push(command);
  return jsonOf<Prediction>(testbed.client.run([...line, "--json"]), command);
}

function costOf(cost: Prediction["cost"], protocol: ProtocolCost): Omit<Cost, "name" | "isUserMeasured"> {
  const { userBytes, cpuSecondsPerConnection, heartbeats } = protocol;
  return {
    kernelBytes: 2 * cost.kernelBytesPerEnd,
    userBytes,
    openingSeconds: cpuSecondsPerConnection,
    heartbeatSeconds: heartbeats ? sum(heartbeats.cpuSeconds) : cost.cpuSecondsPerMessage,
  };
}

const PREDICTION = `TLS takes more memory in user space than the connection takes in the kernel, and at least ${TLS_FACTOR} times the CPU to open it; WebSocket and MQTT need less than half of TLS's CPU`;
const SETUP =
  "for each protocol, a few thousand connections over loopback in the client's host, with each side in a process of its own; heartbeats are WebSocket pings, MQTT's PINGREQ, or else messages of 4 bytes and their echoes; user memory without TLS is too little to measure and is the built-in figure";

function unmeasured(reason: string): Outcome {
  return {
    ...{ setup: SETUP, commands: [], prediction: PREDICTION },
    observed: "-",
    verdict: "skipped",
    reason,
    evidence: [],
  };
}

function judge(of: (scheme: Scheme) => Cost, commands: readonly string[]): Outcome {
  const costs = PROTOCOLS.map(([scheme]) => of(scheme));
  // This is the same for every protocol, apart from other programs' memory.
  const kernelBytes = Math.min(...costs.map((cost) => cost.kernelBytes));
  const contradictions = [
    ...(["tls", "wss"] as const)
      .filter((scheme) => sum(of(scheme).userBytes) <= kernelBytes)
      .map((scheme) => `${of(scheme).name} took less memory in user space than in the kernel`),
    ...(
      [
        ["tls", "tcp"],
        ["wss", "ws"],
      ] as const
    )
      .filter(([secure, plain]) => opening(of(secure)) < TLS_FACTOR * opening(of(plain)))
      .map(([secure, plain]) => `${of(secure).name} took less than ${TLS_FACTOR} times the CPU of ${of(plain).name}`),
    ...(["ws", "mqtt"] as const)
      .filter((scheme) => opening(of(scheme)) > opening(of("tls")) / 2)
      .map((scheme) => `${of(scheme).name} took more than half of TLS's CPU`),
  ];
  return {
    setup: SETUP,
    commands: [...commands],
    prediction: PREDICTION,
    observed: costs
      .map(
        (cost) =>
          `${cost.name}: ${formatBytes(cost.kernelBytes + sum(cost.userBytes))} and ${cpuText(opening(cost))} of CPU to open`,
      )
      .join("; "),
    verdict: contradictions.length === 0 ? "confirmed" : "refuted",
    isTimed: true,
    reason: contradictions.length === 0 ? undefined : contradictions.join("; "),
    evidence: evidenceOf(costs),
  };
}

function evidenceOf(costs: readonly Cost[]): Evidence[] {
  const sides = ({ client, server }: { readonly client: number; readonly server: number }) => [client, server];
  return [
    {
      kind: "stack",
      title: "Memory of a connection, both ends",
      x: { name: "memory", unit: "KiB" },
      parts: ["kernel", "user space, client", "user space, server"],
      rows: costs.map(({ name, kernelBytes, userBytes }) => ({
        name,
        values: [kernelBytes, ...sides(userBytes)].map((bytes) => bytes / 1024),
      })),
    },
    {
      kind: "stack",
      title: "CPU to open a connection",
      x: { name: "CPU time", unit: "µs" },
      parts: ["client", "server"],
      rows: costs.map(({ name, openingSeconds }) => ({
        name,
        values: sides(openingSeconds).map((seconds) => seconds * 1e6),
      })),
    },
    {
      kind: "stack",
      title: "CPU of a heartbeat and its answer",
      x: { name: "CPU time", unit: "µs" },
      parts: ["both ends"],
      rows: costs.map(({ name, heartbeatSeconds }) => ({ name, values: [heartbeatSeconds * 1e6] })),
    },
    {
      kind: "table",
      title: "Cost of a connection",
      columns: [
        "",
        "kernel, both ends",
        "user, client",
        "user, server",
        "CPU to open, client",
        "server",
        "CPU per heartbeat",
      ],
      rows: costs.map(({ name, isUserMeasured, kernelBytes, userBytes, openingSeconds, heartbeatSeconds }) => [
        name,
        formatBytes(kernelBytes),
        ...sides(userBytes).map((bytes) => `${formatBytes(bytes)}${isUserMeasured ? "" : " (built-in)"}`),
        ...sides(openingSeconds).map(cpuText),
        cpuText(heartbeatSeconds),
      ]),
    },
  ];
}

function opening({ openingSeconds }: Cost): number {
  return sum(openingSeconds);
}

function sum({ client, server }: { readonly client: number; readonly server: number }): number {
  return client + server;
}

function cpuText(seconds: number): string {
  return formatDuration(seconds * 1000);
}
