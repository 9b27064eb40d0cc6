// Locations of journals.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** @returns /var/lib/fourtuple/journal.jsonl for root, a file under $XDG_STATE_HOME (~/.local/state) for others */
export function defaultJournalFile(env: NodeJS.ProcessEnv = process.env, isRoot = process.getuid?.() === 0): string {
  const state = isRoot ? "/var/lib" : env.XDG_STATE_HOME || join(homedir(), ".local/state");
  return join(state, "fourtuple/journal.jsonl");
}

/** Returns root's journal for other users; undefined if there seems to be none. */
export function findOthersJournal(journalFile: string): string | undefined {
  const ofRoot = defaultJournalFile({}, true);
  const isRoot = process.getuid?.() === 0;
  // Other users can see the journal's directory but cannot enter it.
  return !isRoot && journalFile !== ofRoot && existsSync(dirname(ofRoot)) ? ofRoot : undefined;
}
