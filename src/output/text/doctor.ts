// Formats a prediction as text: the ceiling and what it is based on, then every limit, most urgent first.

import { TIME_WAIT_SECONDS } from "../../capacity/limits/time-wait.js";
import type { LimitRow, LimitVerdict } from "../../results/limits.js";
import type { Prediction, Program } from "../../results/prediction.js";
import type { Bound } from "../../util/bound.js";
import { printableData } from "../../util/printable.js";
import { formatBytes, formatCount, formatDuration, formatEstimate, formatRate, plural } from "../../util/units.js";
import { capsWord, LIMIT_VERDICT_WORDS } from "../sentences/words.js";
import type { Paint, Tone } from "../terminal/paint.js";
import { plain } from "../terminal/paint.js";
import { alignLabels, stackRows } from "../terminal/table.js";
import { networkLines } from "./network.js";

const TONES: Record<LimitVerdict, Tone> = { insufficient: "bad", unknown: "accent", low: "accent", ok: "good" };

/** Limits that are always shown, because users ask about them most. */
const WELL_KNOWN = ["nofile", "source-ports"];

/**
 * @param isWhole whether to include limits that do not matter for this load
 */
export function predictionText(of: Prediction, isWhole: boolean, paint: Paint = plain): string {
  const prediction = printableData(of);
  const { network } = prediction;
  const shown = isWhole ? prediction.limits : prediction.limits.filter((row) => isWorthShowing(row, prediction));
  const hidden = prediction.limits.length - shown.length;
  return [
    headline(prediction, paint),
    // Only fourtuple itself can be a client without kernel sockets.
    ...(isPacketClient(prediction) ? [] : [secondLine(prediction, paint)]),
    "",
    ...alignLabels(
      [
        ["binding", prediction.binding && describeBinding(prediction.binding)],
        ["next limit", describeNext(prediction)],
        ["unreadable", prediction.unknown.length === 0 ? undefined : describeUnknown(prediction)],
        ...eachBelow("caveats", prediction.notes),
        ...eachBelow("memory", describeCost(prediction)),
        ...eachBelow("network", network === undefined ? [] : networkLines(network)),
        ["opening", describeRamp(prediction)],
        ["handshakes", describeHandshakes(prediction)],
        ["heartbeats", describeHeartbeats(prediction)],
        ["messages", describeMessages(prediction)],
        ...eachBelow("rate", describeRate(prediction)),
        [
          "settings",
          prediction.isWhatIf ? "as on this host; those that the kernel derives from memory are scaled" : undefined,
        ],
        ["clients", describeClients(prediction)],
      ],
      "  ",
    ),
    "",
    ...limitTable(shown, paint),
    ...(hidden === 0
      ? []
      : ["", `  ${plural(hidden, "more limit")} that ${hidden === 1 ? "does" : "do"} not matter here: --all`]),
  ].join("\n");
}

function isPacketClient({ transport, role }: Prediction): boolean {
  return transport === "packet" && role === "client";
}

/** Puts a label in front of the first of several lines. */
function eachBelow(label: string, lines: readonly string[]): (readonly [label: string, text: string])[] {
  return lines.map((line, i) => [i === 0 ? label : "", line]);
}

const WITH: Record<Program, string> = { ordinary: "ordinary programs", fourtuple: "fourtuple" };

function headline(prediction: Prediction, paint: Paint): string {
  const { ceiling, connections, isTargetMet, role, target, isWhatIf, program, cost } = prediction;
  const host = isWhatIf ? "such a host" : "this host";
  const ends = { both: "both ends of", client: "as a client", server: "as a server" }[role];
  const held = countText(ceiling, "any number of");
  const what = role === "both" ? `${ends} ${held}` : held;
  const where = target === undefined ? "" : ` to ${target}`;
  const kind = cost.protocol === undefined ? "" : `${cost.protocol.scheme}:// `;
  const tail = role === "both" ? "" : ` ${ends}`;
  const by = ` with ${WITH[program]}`;
  return paint(
    isTargetMet ? "good" : "bad",
    `${host} can hold ${what} ${kind}connections${where}${tail}${by}${wantedText(isTargetMet, connections)}`,
  );
}

/** Returns the line with the ceiling of the other kind of program. */
function secondLine({ program, answers, connections }: Prediction, paint: Paint): string {
  const other = program === "ordinary" ? "fourtuple" : "ordinary";
  const { ceiling, isTargetMet, binding } = answers[other];
  const cause = binding === undefined ? "" : ` (${binding.name})`;
  const held = countText(ceiling, "any number");
  return paint("dim", `with ${WITH[other]} ${held}${cause}${wantedText(isTargetMet, connections)}`);
}

function wantedText(isTargetMet: boolean, connections: number): string {
  return isTargetMet
    ? `, enough for the ${formatCount(connections)} requested`
    : `, not the ${formatCount(connections)} requested`;
}

/** The ceiling comes out as unlimited only if every limit on the load is unreadable. */
function countText(ceiling: Bound, endless: string): string {
  return ceiling === "unlimited" ? endless : formatCount(ceiling);
}

function describeBinding({ name, nowText }: LimitRow): string {
  return `${name} (${nowText})`;
}

function describeNext({ next }: Prediction): string | undefined {
  if (next.length === 0) return undefined;
  return next.map(({ name, allows }) => `${name} (${formatCount(allows as number)})`).join(", ");
}

function describeUnknown({ unknown }: Prediction): string {
  return `${unknown.join(", ")}: the ceiling may be lower`;
}

function describeCost(prediction: Prediction): string[] {
  const { cost, engines, obstacle, role, program, transport } = prediction;
  const source = cost.isMeasured
    ? `measured just now${enginesText(engines)}`
    : `built-in figures${obstacle ? `: ${obstacle}` : ""}`;
  const bytes = formatBytes(cost.kernelBytesPerEnd);
  const kernel = isPacketClient(prediction)
    ? "none"
    : transport === "packet" && role === "both"
      ? `${bytes} for the server, none for the client`
      : bytes;
  const user =
    cost.protocol && !cost.isUserMemoryGiven
      ? sidesText(role, cost.protocol.userBytes, formatBytes)
      : formatBytes(cost.userBytesPerEnd);
  const perEnd = `${role === "both" ? "per end: " : ""}kernel ${kernel}, user ${user}`;
  return [
    `${formatBytes(cost.bytesPerConnection)} per connection for ${endsText(role)} (${perEnd}; ${source})`,
    // Without --memory-per-connection, user memory is assumed to be as small as fourtuple's own.
    ...(program === "ordinary" && !cost.isUserMemoryGiven
      ? ["excludes your program's own memory: set it with --memory-per-connection"]
      : []),
  ];
}

/** Names the engines of the measurement if it used io_uring. */
function enginesText({ client, server }: Prediction["engines"]): string {
  const [clients, servers] = [client, server].map((name) => (name === "uring" ? "io_uring" : name));
  if (client === server) return client === "epoll" ? "" : `, with ${clients}`;
  return `, client with ${clients}, server with ${servers}`;
}

/** Describes how many TLS handshakes a core can do. */
function describeHandshakes({ cost, role }: Prediction): string | undefined {
  const { full, resumed } = cost.protocol?.handshakesPerSec ?? {};
  if (full === undefined) return undefined;
  const rate = (of: typeof full) => sidesText(role, of, (each) => `${formatCount(Math.round(each))}/s`);
  return `per core: ${[`${rate(full)}`, ...(resumed ? [`resumed ${rate(resumed)}`] : [])].join("; ")}`;
}

function describeHeartbeats({ cost, role }: Prediction): string | undefined {
  const heartbeats = cost.protocol?.heartbeats;
  if (heartbeats === undefined) return undefined;
  const { name, intervalSeconds, perMillion } = heartbeats;
  const { bitsPerSec } = perMillion;
  const cores = sidesText(role, perMillion.cores, (each) => `${each.toFixed(2)} cores`);
  const wire = bitsPerSec === undefined ? "" : `; ${(bitsPerSec / 1e6).toFixed(1)} Mbit/s on the wire`;
  return `1,000,000 connections with a ${name} every ${intervalSeconds} s take ${cores}${wire}`;
}

/** Formats a figure for each side that is on this host. */
function sidesText(
  role: Prediction["role"],
  { client, server }: { readonly client: number; readonly server: number },
  format: (figure: number) => string,
): string {
  if (role === "both") return `${format(client)} for the client, ${format(server)} for the server`;
  return format(role === "client" ? client : server);
}

function describeRamp({ connections, rampSeconds, cores, cpu, role }: Prediction): string {
  const rate = formatCount(Math.floor(cpu.connectionsPerSec));
  return `at least ${formatEstimate(rampSeconds * 1000)} for ${formatCount(connections)} on ${plural(cores, "core")} (${endsText(role)}): at most ${rate}/s`;
}

function describeMessages({ cpu, messages, cores, cost, role }: Prediction): string | undefined {
  if (messages.ratePerSec === 0) return undefined;
  const wanted = formatCount(Math.round(messages.ratePerSec));
  const most = formatCount(Math.floor(cpu.messagesPerSec));
  const source = cost.areMessagesMeasured === false ? " (a built-in figure: too few could be measured)" : "";
  const each = `${formatDuration(cost.cpuSecondsPerMessage * 1000)}${source}`;
  const whose = role === "both" ? "" : ` (${endsText(role)})`;
  return `${wanted}/s requested; ${plural(cores, "core")} can handle ${most}/s${whose}, at ${each} of CPU per message and answer (both ends)`;
}

function endsText(role: Prediction["role"]): string {
  return role === "both" ? "both ends" : "this end";
}

/** Describes how long a rate of short-lived connections can last, if one was given. */
function describeRate({ rate }: Prediction): string[] {
  if (rate?.requestedPerSec === undefined) return [];
  const { requestedPerSec, sustainedPerSec, tuples, keptSeconds, lastsSeconds } = rate;
  if (sustainedPerSec === "unlimited") {
    return [
      `${formatRate(requestedPerSec)} connections/s can be sustained: a port bound by number can reuse a TIME_WAIT 4-tuple`,
    ];
  }
  if (tuples === 0) return ["no connections/s: no 4-tuple is available to this destination"];
  const reckoned = `${formatCount(tuples)} 4-tuples ÷ ${formatRate(keptSeconds)} s of TIME_WAIT if this side closes first`;
  const sustained = `${formatRate(sustainedPerSec)} connections/s sustained (${reckoned})`;
  if (lastsSeconds === undefined) return [sustained];
  return [
    sustained,
    `${formatRate(requestedPerSec)}/s lasts ${formatEstimate(lastsSeconds * 1000)}`,
    `to go higher: keep-alive or pooling, ${keptSeconds < TIME_WAIT_SECONDS ? "" : "net.ipv4.tcp_tw_reuse=1, "}more source addresses`,
  ];
}

function describeClients({ clients }: Prediction): string | undefined {
  if (clients === undefined) return undefined;
  const addresses = plural(clients.addresses, "source address", "source addresses");
  const hosts = plural(clients.hosts, "host");
  // Every host has an address of its own.
  if (clients.hosts >= clients.addresses) return `at least ${hosts} like this one (64,512 ports per source address)`;
  return `at least ${addresses} (64,512 ports each) on ${hosts} like this one`;
}

function isWorthShowing({ id, verdict, allows, needs, side }: LimitRow, { role }: Prediction): boolean {
  if (role === "server" && side === "client") return false;
  return verdict !== "ok" || typeof allows === "number" || needs !== undefined || WELL_KNOWN.includes(id);
}

function limitTable(rows: readonly LimitRow[], paint: Paint): string[] {
  const cells = rows.map((row) => [
    row.name,
    row.nowText,
    allowsText(row),
    needsText(row),
    LIMIT_VERDICT_WORDS[row.verdict],
  ]);
  const header = ["limit", "now", "allows", "needed", "verdict"];
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]!.length)));
  const width = 2 + widths.reduce((sum, each) => sum + each, 0) + 2 * (widths.length - 1);
  if (width > (paint.columns ?? Number.POSITIVE_INFINITY)) {
    const toned = cells.map((row, i) => [...row.slice(0, -1), paint(TONES[rows[i]!.verdict], row.at(-1)!)]);
    return stackRows([header, ...toned], "  ");
  }
  const line = (row: readonly string[], tone?: Tone) =>
    `  ${row
      .map((cell, column) => {
        if (column === row.length - 1) return tone ? paint(tone, cell) : cell;
        return column === 2 || column === 3 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
      })
      .join("  ")}`;
  return [paint("dim", line(header)), ...cells.map((row, i) => line(row, TONES[rows[i]!.verdict]))];
}

function allowsText({ allows, caps }: LimitRow): string {
  if (allows === undefined) return `(${capsWord(caps)})`;
  return typeof allows === "number" ? formatCount(allows) : allows;
}

function needsText({ needs, unit }: LimitRow): string {
  if (needs === undefined) return "-";
  return unit === "bytes" ? formatBytes(needs) : formatCount(needs);
}
