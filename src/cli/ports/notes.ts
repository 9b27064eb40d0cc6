// What `fourtuple ports` says beside its figures, on standard error: why they are less than they could be.

import { printNote } from "../../output/terminal/output.js";
import type { SocketTable } from "../../results/sockets/socket-table.js";

const said = new Set<string>();

/** A reading that fell back to /proc, or that the kernel calls inconsistent. */
export async function formatReadNote(read: Pick<SocketTable, "fallbackErrno" | "wasInterrupted">): Promise<void> {
  const { readNote } = await import("../../output/text/ports/summary.js");
  printOnce(readNote(read));
}

/** Owners that may be missing from rows. */
export async function formatOwnersNote(owners: {
  unreadable: number;
  isHiding: boolean;
  ringHolders: readonly { pid: number; command: string }[];
}): Promise<void> {
  const { ownersNote } = await import("../../output/text/ports/tables.js");
  const note = ownersNote(owners);
  printOnce(note && `note: ${note}`);
}

/** Once: --watch reads again and again. */
export function printOnce(note: string | undefined): void {
  if (note === undefined || said.has(note)) return;
  said.add(note);
  printNote(note);
}
