// A prediction as text: the ceiling and what it is made of first, then every limit, the worst first.

import { TIME_WAIT_SECONDS } from "../../capacity/limits/time-wait.js";
import type { LimitRow, LimitVerdict } from "../../results/limits.js";
import type { Prediction, Program } from "../../results/prediction.js";
import type { Bound } from "../../util/bound.js";
import { printableData } from "../../util/printable.js";
import { formatBytes, formatCount, formatDuration, formatRate, plural } from "../../util/units.js";
import { capsWord, LIMIT_VERDICT_WORDS } from "../sentences/words.js";
import type { Paint, Tone } from "../terminal/paint.js";
import { plain } from "../terminal/paint.js";
import { alignLabels, stackRows } from "../terminal/table.js";

const TONES: Record<LimitVerdict, Tone> = { insufficient: "bad", unknown: "accent", low: "accent", ok: "good" };

/** Everybody asks for these, even where they do not bind. */
const WELL_KNOWN = ["nofile", "source-ports"];

/** @param isWhole every limit is shown, also those that neither bind nor matter for this load */
export function predictionText(of: Prediction, isWhole: boolean, paint: Paint = plain): string {
  const prediction = printableData(of);
  const shown = isWhole ? prediction.limits : prediction.limits.filter((row) => isWorthShowing(row, prediction));
  const hidden = prediction.limits.length - shown.length;
  return [
    headline(prediction, paint),
    secondLine(prediction, paint),
    "",
    ...alignLabels(
      [
        ["binding", prediction.binding && describeBinding(prediction.binding)],
        ["behind it", describeNext(prediction)],
        ["not seen", prediction.unknown.length === 0 ? undefined : describeUnknown(prediction)],
        ["not sure", prediction.notes.length === 0 ? undefined : prediction.notes.join("; ")],
        ["memory", describeCost(prediction)],
        ["opening", describeRamp(prediction)],
        ["messages", describeMessages(prediction)],
        ["rate", describeRate(prediction)],
        [
          "settings",
          prediction.isWhatIf ? "this host's; those that the kernel derives from memory grow with it" : undefined,
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

const WITH: Record<Program, string> = { ordinary: "ordinary programs", fourtuple: "fourtuple" };

function headline(prediction: Prediction, paint: Paint): string {
  const { ceiling, connections, isTargetMet, role, target, isWhatIf, program } = prediction;
  const host = isWhatIf ? "such a host" : "this host";
  const ends = { both: "both ends of", client: "as a client", server: "as a server" }[role];
  const held = countText(ceiling, "any number of");
  const what = role === "both" ? `${ends} ${held}` : held;
  const where = target === undefined ? "" : ` to ${target}`;
  const tail = role === "both" ? "" : ` ${ends}`;
  const by = ` with ${WITH[program]}`;
  return paint(
    isTargetMet ? "good" : "bad",
    `${host} holds ${what} connections${where}${tail}${by}${wantedText(isTargetMet, connections)}`,
  );
}

/** What the other program can do. */
function secondLine({ program, answers, connections }: Prediction, paint: Paint): string {
  const other = program === "ordinary" ? "fourtuple" : "ordinary";
  const { ceiling, isTargetMet, binding } = answers[other];
  const cause = binding === undefined ? "" : ` (${binding.name})`;
  const held = countText(ceiling, "any number");
  return paint("dim", `with ${WITH[other]} ${held}${cause}${wantedText(isTargetMet, connections)}`);
}

function wantedText(isTargetMet: boolean, connections: number): string {
  return isTargetMet ? `: the ${formatCount(connections)} wanted fit` : `, not the ${formatCount(connections)} wanted`;
}

/** Endless only where every limit that bounds a load like this is hidden. */
function countText(ceiling: Bound, endless: string): string {
  return ceiling === "unlimited" ? endless : formatCount(ceiling);
}

function describeBinding({ name, nowText }: LimitRow): string {
  return `${name} (${nowText})`;
}

function describeNext({ next }: Prediction): string | undefined {
  if (next.length === 0) return undefined;
  return next.map(({ name, allows }) => `${name} at ${formatCount(allows as number)}`).join(", ");
}

function describeUnknown({ unknown }: Prediction): string {
  return `${unknown.join(", ")}: the ceiling may lie lower`;
}

function describeCost({ cost, obstacle, role, program }: Prediction): string {
  // As little as ours takes, where nobody has said what the program does.
  const ownMemory =
    program === "ordinary" && !cost.isUserMemoryGiven
      ? "; your program's own comes on top: --memory-per-connection"
      : "";
  const figures = `${formatBytes(cost.bytesPerConnection)} per connection (${endsText(role)}; ${formatBytes(cost.kernelBytesPerEnd)} of kernel and ${formatBytes(cost.userBytesPerEnd)} of user memory an end)${ownMemory}`;
  if (cost.isMeasured) return `${figures}, measured just now`;
  return `${figures}, the committed figures${obstacle ? `: ${obstacle}` : ""}`;
}

function describeRamp({ connections, rampSeconds, cores, cpu, role }: Prediction): string {
  const rate = formatCount(Math.floor(cpu.connectionsPerSec));
  return `${formatCount(connections)} take some ${formatDuration(rampSeconds * 1000)} of ${plural(cores, "core")} (${endsText(role)}), ${rate} a second at most`;
}

function describeMessages({ cpu, messages, cores, cost, role }: Prediction): string | undefined {
  if (messages.ratePerSec === 0) return undefined;
  const wanted = formatCount(Math.round(messages.ratePerSec));
  const most = formatCount(Math.floor(cpu.messagesPerSec));
  const each = formatDuration(cost.cpuSecondsPerMessage * 1000);
  return `${wanted} a second wanted; ${plural(cores, "core")} can do ${most} (${endsText(role)}), at ${each} of CPU for a message and its answer at both ends`;
}

function endsText(role: Prediction["role"]): string {
  return role === "both" ? "both ends" : "this end";
}

/** How long a rate of connections that come and go lasts, where it was asked. */
function describeRate({ rate }: Prediction): string | undefined {
  if (rate?.requestedPerSec === undefined) return undefined;
  const { requestedPerSec, sustainedPerSec, tuples, keptSeconds, lastsSeconds } = rate;
  if (sustainedPerSec === "unlimited") {
    return `${formatRate(requestedPerSec)} connections/s can come and go for ever: a port bound by its number takes over a TIME_WAIT`;
  }
  const reckoned = `${formatCount(tuples)} 4-tuples ÷ ${formatRate(keptSeconds)} s in TIME_WAIT where this side closes first`;
  const forEver = `${formatRate(sustainedPerSec)} connections/s for ever (${reckoned})`;
  if (lastsSeconds === undefined) return forEver;
  const lasts = `${formatRate(requestedPerSec)}/s last for ${formatDuration(lastsSeconds * 1000)}`;
  return `${forEver}; ${lasts}. More with keep-alive or pooling, ${keptSeconds < TIME_WAIT_SECONDS ? "" : "net.ipv4.tcp_tw_reuse=1, "}more source addresses`;
}

function describeClients({ clients, connections }: Prediction): string | undefined {
  if (clients === undefined) return undefined;
  const addresses = plural(clients.addresses, "source address", "source addresses");
  return `${addresses} with 64,512 ports each, on ${plural(clients.hosts, "host")} like it, for ${formatCount(connections)} to one port`;
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
