// Notes that `fourtuple ports` prints on standard error about figures that may be incomplete.

import { printNote } from "../../output/terminal/output.js";
import type { SocketTable } from "../../results/sockets/socket-table.js";

const said = new Set<string>();

/**
 * Reports that a pass over the table fell back to /proc, or that the kernel marked the dump as
 * inconsistent.
 */
export async function formatReadNote(read: Pick<SocketTable, "fallbackErrno" | "wasInterrupted">): Promise<void> {
  const { readNote } = await import("../../output/text/ports/summary.js");
  printOnce(readNote(read));
}

/** Reports that some rows may have no owner because it is not visible. */
export async function formatOwnersNote(owners: {
  unreadable: number;
  isHiding: boolean;
  ringHolders: readonly { pid: number; command: string }[];
}): Promise<void> {
  const { ownersNote } = await import("../../output/text/ports/tables.js");
  const note = ownersNote(owners);
  printOnce(note && `note: ${note}`);
}

/** Prints each note only once, although --watch reads the table again and again. */
export function printOnce(note: string | undefined): void {
  if (note === undefined || said.has(note)) return;
  said.add(note);
  printNote(note);
}
