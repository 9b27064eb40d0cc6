// A prediction as text: the ceiling and what it is made of first, then every limit, the worst first.
import { formatBytes, formatCount, formatDuration, plural } from "../base/units.js";
import type { LimitRow, Prediction, Verdict } from "../doctor/predict.js";
import type { Paint, Tone } from "./paint.js";
import { plain } from "./paint.js";
import { alignLabels } from "./table.js";

const TONES: Record<Verdict, Tone> = { "too low": "bad", unknown: "accent", low: "accent", ok: "good" };

/** Everybody asks for these, even where they do not bind. */
const WELL_KNOWN = ["nofile", "source-ports"];

/** @param isWhole every limit is shown, also those that neither bind nor matter for this load */
export function predictionText(prediction: Prediction, isWhole: boolean, paint: Paint = plain): string {
  const shown = isWhole ? prediction.limits : prediction.limits.filter((row) => isWorthShowing(row, prediction));
  const hidden = prediction.limits.length - shown.length;
  return [
    headline(prediction, paint),
    "",
    ...alignLabels(
      [
        ["binding", prediction.binding && describeBinding(prediction.binding)],
        ["behind it", describeNext(prediction)],
        ["not seen", prediction.unknown.length === 0 ? undefined : describeUnknown(prediction)],
        ["not sure", prediction.notes.length === 0 ? undefined : prediction.notes.join("; ")],
        ["memory", describeCost(prediction)],
        ["opening", describeRamp(prediction)],
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

function headline({ ceiling, connections, isTargetMet, role, target, isWhatIf }: Prediction, paint: Paint): string {
  const host = isWhatIf ? "such a host" : "this host";
  const ends = { both: "both ends of", client: "as a client", server: "as a server" }[role];
  // Only where every limit that bounds a load like this is hidden.
  const held = ceiling === Number.POSITIVE_INFINITY ? "any number of" : formatCount(ceiling);
  const what = role === "both" ? `${ends} ${held}` : held;
  const where = target === undefined ? "" : ` to ${target}`;
  const tail = role === "both" ? "" : ` ${ends}`;
  const wanted = isTargetMet
    ? `: the ${formatCount(connections)} wanted fit`
    : `, not the ${formatCount(connections)} wanted`;
  return paint(isTargetMet ? "good" : "bad", `${host} holds ${what} connections${where}${tail}${wanted}`);
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

function describeCost({ cost, obstacle, role }: Prediction): string {
  const ends = role === "both" ? "both ends" : "this end";
  const figures = `${formatBytes(cost.bytesPerConnection)} per connection (${ends}; ${formatBytes(cost.kernelBytesPerEnd)} of kernel and ${formatBytes(cost.userBytesPerEnd)} of user memory an end)`;
  if (cost.isMeasured) return `${figures}, measured just now`;
  return `${figures}, the committed figures${obstacle ? `: ${obstacle}` : ""}`;
}

function describeRamp({ connections, rampSeconds, cores }: Prediction): string {
  return `${formatCount(connections)} take some ${formatDuration(rampSeconds * 1000)} on ${plural(cores, "core")}, both ends (docs/performance.md)`;
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
  const cells = rows.map((row) => [row.name, row.nowText, allowsText(row), needsText(row), row.verdict]);
  const header = ["limit", "now", "allows", "needed", "verdict"];
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]!.length)));
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
  if (allows === undefined) return `(${caps})`;
  return typeof allows === "number" ? formatCount(allows) : allows;
}

function needsText({ needs, unit }: LimitRow): string {
  if (needs === undefined) return "-";
  return unit === "bytes" ? formatBytes(needs) : formatCount(needs);
}
