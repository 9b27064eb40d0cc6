// Makes the texts of the demo, for someone who has read that a server can hold at most 65,535
// connections.

import { isMeasurable } from "../../client/ramp/memory-fit.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Explained } from "../../results/diagnosis.js";
import type { ServeResult } from "../../results/serve.js";
import { type FourTuple, formatEndpoint } from "../../util/endpoint.js";
import { printableData } from "../../util/printable.js";
import { formatBytes, formatCount, formatDuration, plural } from "../../util/units.js";
import { type Paint, plain } from "../terminal/paint.js";
import { diagnosisLines } from "./diagnosis.js";
import { fleetLines } from "./fleet.js";

/** Evidence that the demo collected. */
export interface DemoEvidence {
  readonly wanted: number;
  readonly port: number;
  /** Number of ESTABLISHED sockets with that local port in the kernel's table while all were held. */
  readonly counted: number;
  readonly countedBy: string;
  /** Three of the connections, as listed by the kernel. */
  readonly examples: readonly FourTuple[];
  readonly client: Explained<ConnectResult>;
  readonly server: ServeResult;
}

const PORTS = 65_535;

export function demoTitle(wanted: number, paint: Paint = plain): string {
  return `\n${paint("bold", `${formatCount(wanted)} TCP connections to one port`)}\n`;
}

/** Describes how far the demo got before a signal ended it. */
export function demoInterrupted(wanted: number, open: number): string {
  return `interrupted: ${formatCount(open)} of ${plural(wanted, "connection")} open`;
}

export function isDemoProven({ wanted, counted, client }: DemoEvidence): boolean {
  return counted === wanted && client.isTargetMet;
}

export function demoVerdict(of: DemoEvidence, paint: Paint = plain): string {
  const evidence = printableData(of);
  return isDemoProven(evidence) ? success(evidence, paint) : failure(evidence, paint);
}

function success(evidence: DemoEvidence, paint: Paint): string {
  const { wanted, port, counted, countedBy, client } = evidence;
  const count = formatCount(counted);
  const lines = [
    paint("good", `✔ The kernel's own socket table has ${count} ESTABLISHED sockets`),
    paint("good", `  with the same local port: ${port}.`) + paint("dim", ` Read via ${countedBy}.`),
    "",
    wanted > PORTS
      ? `65,535 is the number of ports, not of connections: ${count} share this one.`
      : `All of them share this one port. 65,535 is the number of ports, not of connections.`,
    "A connection is identified by four values, its 4-tuple. No two are the same:",
    "",
    ...tupleTable(evidence.examples, paint),
    "",
    "Only the client uses up a port per connection, so it needed",
    `${sources(client)}.`,
    "The server used none: its limits are memory, descriptors and CPU.",
    ...(client.transport === "packet" ? ["The client has no kernel sockets: it spoke TCP itself."] : []),
    "",
    ...(client.fleet ? [...fleetLines(client.fleet), ""] : []),
    paint("dim", figures(evidence)),
  ];
  return `${lines.join("\n")}\n`;
}

function failure({ wanted, port, counted, countedBy, client }: DemoEvidence, paint: Paint): string {
  const lines = [
    paint(
      "bad",
      `✘ The kernel's socket table (${countedBy}) has ${formatCount(counted)} of ${formatCount(wanted)} ESTABLISHED sockets`,
    ),
    paint("bad", `  with local port ${port}.`),
  ];
  const why = diagnosisLines(client.diagnosis, paint);
  if (client.fleet) lines.push("", ...fleetLines(client.fleet));
  if (why.length > 0) lines.push("", ...why);
  return `${lines.join("\n")}\n`;
}

function tupleTable(examples: readonly FourTuple[], paint: Paint): string[] {
  const source = (tuple: FourTuple) => formatEndpoint(tuple.sourceIp, tuple.sourcePort);
  const width = Math.max(...examples.map((tuple) => source(tuple).length), "source IP:port".length);
  const header = paint("dim", `    ${"source IP:port".padEnd(width)}    destination IP:port`);
  const rows = examples.map(
    (tuple) =>
      `    ${source(tuple).padEnd(width)} ${paint("accent", "→")}  ${formatEndpoint(tuple.destinationIp, tuple.destinationPort)}`,
  );
  return [header, ...rows];
}

/** Describes the source addresses that were needed; the plan has a spare one. */
function sources({ plan, established, fleet }: ConnectResult): string {
  // There is one destination, so each 4-tuple uses a different port of its source address.
  const portsEach = Math.floor(plan.tuplesAvailable / plan.sourceAddresses);
  const used = fleet
    ? plan.sourceAddresses
    : Math.min(plan.sourceAddresses, Math.ceil((established + plan.tuplesSkipped) / portsEach));
  // Agents have ports of their own.
  const range = fleet || plan.sourcePorts === "kernel" ? "" : `ports ${plan.sourcePorts}: `;
  const each = `(${range}${formatCount(portsEach)} ports per address)`;
  return used === 1 ? `one source address ${each}` : `${formatCount(used)} source addresses ${each}`;
}

function figures({ client, server }: DemoEvidence): string {
  const {
    userBytesPerConnection: user,
    kernelBytesPerConnection: kernel,
    kernelErrorPerConnection: error,
  } = client.memory;
  const [userBytes, serverBytes] = [user, server.memory.userBytesPerConnection].map((bytes) =>
    formatBytes(Math.max(0, bytes)),
  );
  const off = error === undefined ? "" : ` ± ${formatBytes(error)}`;
  const ends = client.transport === "packet" ? "the server's end" : "both ends";
  const kernelBytes = isMeasurable(kernel, error) ? `${formatBytes(kernel)}${off}` : "not measurable:";
  return [
    `opened in ${formatDuration(client.rampMs)} (${formatCount(client.ratePerSec)} per second), closed in ${formatDuration(client.closeMs)}`,
    // Each agent measures the growth of the whole machine.
    `memory per connection: ${client.fleet ? "" : `${kernelBytes} kernel (${ends}), `}${serverBytes} server, ${userBytes} client`,
  ].join("\n");
}
