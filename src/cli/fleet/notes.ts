// Prints what a coordinator learns about its agents while a run lasts. Agents give reasons in words of their own, which
// must not look like other lines.
import type { FleetRun } from "../../fleet/coordinator/fleet-run.js";
import type { Kind } from "../../fleet/coordinator/roles/kind.js";
import { printNote } from "../../output/terminal/output.js";
import { printable } from "../../util/printable.js";
import { plural } from "../../util/units.js";

export function printLine(text: string): void {
  printNote(printable(text));
}

export function printNotesOf<K extends Kind>(run: FleetRun<K>): void {
  run.once("notKept", (reason) => printLine(`note: the result is not kept: ${reason}`));
  run.on("agentLost", (name, reason) => printLine(`agent ${name} is lost: ${reason}`));
  run.on("notTaken", (name, connections, reason) =>
    printLine(`the others do not take over ${plural(connections, "connection")} of agent ${name}: ${reason}`),
  );
}
