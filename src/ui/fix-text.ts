// Changes as text: what is to be changed and how, what was changed, what was put back.
import { printable } from "../base/printable.js";
import { plural } from "../base/units.js";
import type { ApplyReport, ChangeStatus } from "../doctor/fix/apply.js";
import type { Change, FixPlan } from "../doctor/fix/change.js";
import type { UndoReport, UndoStatus } from "../doctor/fix/undo.js";
import { type Paint, plain, type Tone } from "./paint.js";
import { alignLabels } from "./table.js";

const CHANGE_TONES: Record<ChangeStatus, Tone> = { done: "good", refused: "bad", failed: "bad" };
const UNDO_TONES: Record<UndoStatus, Tone> = {
  restored: "good",
  "nothing to do": "good",
  "left alone": "accent",
  refused: "bad",
  failed: "bad",
};

export function fixText(plan: FixPlan, paint: Paint = plain): string {
  const settings = plan.changes.filter(({ kind }) => kind === "sysctl");
  const wanted = plural(plan.connections, "connection");
  const headline =
    plan.changes.length === 0
      ? paint("good", `nothing to change for ${wanted}`)
      : paint("bold", `${plural(plan.changes.length, "change")} for ${wanted}, in this order; nothing is changed yet`);
  return [
    headline,
    ...plan.changes.flatMap((change, i) => ["", ...changeLines(change, `${i + 1}`, paint)]),
    ...unknownLines(plan),
    ...(settings.length === 0
      ? []
      : ["", `--apply makes ${settings.length} of them (as root), --undo takes them back, --script prints a script`]),
  ].join("\n");
}

export function applyText({ plan, outcomes, journal }: ApplyReport, paint: Paint = plain): string {
  const left = plan.changes.filter(({ kind }) => kind !== "sysctl");
  const done = outcomes.filter(({ status }) => status === "done").length;
  const headline =
    outcomes.length === 0
      ? "no setting to change"
      : paint(
          done === outcomes.length ? "good" : "bad",
          `${done} of ${plural(outcomes.length, "setting")} changed${done === outcomes.length ? "" : `, ${outcomes.length - done} not`}`,
        );
  return [
    headline,
    ...statusLines(
      outcomes,
      ({ from, to, value, status }) => `${say(from)} → ${say(status === "done" ? (value ?? to) : to)}`,
      CHANGE_TONES,
      paint,
    ),
    ...(left.length === 0 ? [] : ["", "left to you:"]),
    ...left.flatMap((change) => ["", ...changeLines(change, "-", paint)]),
    ...unknownLines(plan),
    ...(done === 0 ? [] : ["", `recorded; taken back by: fourtuple doctor --undo --journal ${journal}`]),
  ].join("\n");
}

export function undoText({ outcomes, journal, tornLines }: UndoReport, paint: Paint = plain): string {
  const count = (status: UndoStatus) => outcomes.filter((outcome) => outcome.status === status).length;
  const isClean = outcomes.every(({ status }) => status === "restored" || status === "nothing to do");
  const headline =
    outcomes.length === 0
      ? `nothing to undo in ${journal}`
      : paint(isClean ? "good" : "bad", `${count("restored")} of ${plural(outcomes.length, "change")} taken back`);
  return [
    headline,
    ...statusLines(
      outcomes,
      ({ from, value, status }) =>
        status === "restored" ? `back to ${say(from)}` : `is ${say(value)}, was ${say(from)}`,
      UNDO_TONES,
      paint,
    ),
    ...(tornLines === 0
      ? []
      : [
          "",
          `${plural(tornLines, "line")} of ${journal} cannot be read: cut short by a crash, before the change was made`,
        ]),
  ].join("\n");
}

function changeLines({ name, from, to, why, how, systemd, container, pitfall }: Change, mark: string, paint: Paint) {
  const values = to === undefined ? say(from) : `${say(from)} → ${say(to)}`;
  return [
    `  ${mark}  ${paint("bold", name)}  ${values}`,
    ...alignLabels(
      [
        ["why", why],
        ["by hand", how],
        ["systemd", systemd],
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
    const status = paint(tones[outcome.status], outcome.status.padEnd(width));
    return `  ${status}  ${outcome.name}  ${describe(outcome)}${outcome.note ? ` (${outcome.note})` : ""}`;
  });
}

function unknownLines({ unknown }: FixPlan): string[] {
  return unknown.length === 0 ? [] : ["", `  cannot be read, so nothing is proposed: ${unknown.join(", ")}`];
}

function say(value: string | undefined): string {
  return value === undefined ? "unknown" : value === "" ? "empty" : printable(value);
}
