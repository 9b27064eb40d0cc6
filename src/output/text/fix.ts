// Formats changes as text: what to change and how, what was changed, and what was reverted.

import type { ApplyReport, ChangeStatus } from "../../tuning/apply.js";
import type { Change, FixPlan } from "../../tuning/change.js";
import type { UndoReport, UndoStatus } from "../../tuning/undo.js";
import { printableData } from "../../util/printable.js";
import { formatCount, plural } from "../../util/units.js";
import { type Paint, plain, type Tone } from "../terminal/paint.js";
import { alignLabels } from "../terminal/table.js";

const CHANGE_TONES: Record<ChangeStatus, Tone> = { done: "good", refused: "bad", failed: "bad" };
const UNDO_TONES: Record<UndoStatus, Tone> = {
  restored: "good",
  "nothing-to-do": "good",
  "left-alone": "accent",
  refused: "bad",
  failed: "bad",
};

export function fixText(of: FixPlan, paint: Paint = plain): string {
  const plan = printableData(of);
  const settings = plan.changes.filter(({ kind }) => kind === "sysctl");
  const wanted = plural(plan.connections, "connection");
  const headline =
    plan.changes.length === 0
      ? paint("good", `nothing to change for ${wanted}`)
      : paint(
          "bold",
          `${plural(plan.changes.length, "change")} for ${wanted}, in this order; nothing has been changed yet`,
        );
  return [
    headline,
    ...plan.changes.flatMap((change, i) => ["", ...changeLines(change, `${i + 1}`, paint)]),
    ...unknownLines(plan),
    ...(settings.length === 0
      ? []
      : ["", `--apply makes ${settings.length} of them (as root), --undo reverts them, --script prints a script`]),
  ].join("\n");
}

export function applyText(report: ApplyReport, paint: Paint = plain): string {
  const { plan, outcomes, journal } = printableData(report);
  const left = plan.changes.filter(({ kind }) => kind !== "sysctl");
  const done = outcomes.filter(({ status }) => status === "done").length;
  const headline =
    outcomes.length === 0
      ? "no settings to change"
      : paint(
          done === outcomes.length ? "good" : "bad",
          `${done} of ${plural(outcomes.length, "setting")} changed${done === outcomes.length ? "" : `, ${outcomes.length - done} not`}`,
        );
  return [
    headline,
    ...statusLines(
      outcomes,
      ({ from, to, value, status }) => `${formatValue(from)} → ${formatValue(status === "done" ? (value ?? to) : to)}`,
      CHANGE_TONES,
      paint,
    ),
    ...(left.length === 0 ? [] : ["", "to change yourself:"]),
    ...left.flatMap((change) => ["", ...changeLines(change, "-", paint)]),
    ...unknownLines(plan),
    ...(done === 0 ? [] : ["", `recorded; to revert: fourtuple doctor --undo --journal ${journal}`]),
  ].join("\n");
}

export function undoText(report: UndoReport, paint: Paint = plain): string {
  const { outcomes, journal, tornLines, badLines = [], othersJournal } = printableData(report);
  const count = (status: UndoStatus) => outcomes.filter((outcome) => outcome.status === status).length;
  const due = outcomes.length - count("nothing-to-do");
  const undone = count("nothing-to-do") === 0 ? "" : `; ${formatCount(count("nothing-to-do"))} had nothing to undo`;
  const headline =
    due === 0
      ? `nothing to undo in ${journal}`
      : paint(
          count("restored") === due ? "good" : "bad",
          `${formatCount(count("restored"))} of ${plural(due, "change")} reverted${undone}`,
        );
  return [
    headline,
    ...statusLines(
      outcomes,
      ({ from, value, status }) =>
        status === "restored" ? `back to ${formatValue(from)}` : `is ${formatValue(value)}, was ${formatValue(from)}`,
      UNDO_TONES,
      paint,
    ),
    ...(tornLines === 0
      ? []
      : [
          "",
          `${plural(tornLines, "line")} of ${journal} cannot be read: cut short by a crash. A change whose own line was cut short was never made; all others are listed above or already undone`,
        ]),
    ...(badLines.length === 0 ? [] : ["", ...badLineTexts(badLines, journal)]),
    ...(othersJournal === undefined ? [] : ["", `changes made by root are in ${othersJournal}: undo them as root`]),
  ].join("\n");
}

/** Maximum number of invalid lines to list. */
const BAD_LINES = 5;

function badLineTexts(lines: UndoReport["badLines"], journal: string): string[] {
  return [
    `${plural(lines.length, "line")} of ${journal} ${lines.length === 1 ? "was" : "were"} not written by --apply and ${lines.length === 1 ? "was" : "were"} skipped:`,
    ...lines.slice(0, BAD_LINES).map(({ line, reason }) => `  line ${line}: ${reason}`),
    ...(lines.length > BAD_LINES ? [`  and ${formatCount(lines.length - BAD_LINES)} more`] : []),
  ];
}

function changeLines(change: Change, mark: string, paint: Paint) {
  const { kind, name, from, to, why, how, systemd, container, pitfall } = change;
  const values = to === undefined ? formatValue(from) : `${formatValue(from)} → ${formatValue(to)}`;
  return [
    `  ${mark}  ${paint("bold", name)}  ${values}`,
    ...alignLabels(
      [
        ["why", why],
        ["by hand", how],
        [kind === "sysctl" ? "at boot" : "systemd", systemd],
        ["container", container],
        ["pitfall", pitfall],
      ],
      `     `,
    ),
  ];
}

interface Outcome<S> {
  readonly name: string;
  readonly status: S;
  readonly note: string | undefined;
}

function statusLines<S extends string, T extends Outcome<S>>(
  outcomes: readonly T[],
  describe: (outcome: T) => string,
  tones: Record<S, Tone>,
  paint: Paint,
): string[] {
  const width = Math.max(0, ...outcomes.map(({ status }) => status.length));
  return outcomes.map((outcome) => {
    const status = paint(tones[outcome.status], outcome.status.replaceAll("-", " ").padEnd(width));
    return `  ${status}  ${outcome.name}  ${describe(outcome)}${outcome.note ? ` (${outcome.note})` : ""}`;
  });
}

function unknownLines({ unknown }: FixPlan): string[] {
  return unknown.length === 0 ? [] : ["", `  unreadable, so no change is proposed: ${unknown.join(", ")}`];
}

function formatValue(value: string | undefined): string {
  return value === undefined ? "unknown" : value === "" ? "empty" : value;
}
