// Where journals lie.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** @returns /var/lib/fourtuple/journal.jsonl for root, a file under $XDG_STATE_HOME (~/.local/state) for others */
export function defaultJournalFile(env: NodeJS.ProcessEnv = process.env, isRoot = process.getuid?.() === 0): string {
  const state = isRoot ? "/var/lib" : env.XDG_STATE_HOME || join(homedir(), ".local/state");
  return join(state, "fourtuple/journal.jsonl");
}

/** Where root's journal lies, for other users; undefined when there is none, as far as can be seen. */
export function findOthersJournal(journalFile: string): string | undefined {
  const ofRoot = defaultJournalFile({}, true);
  const isRoot = process.getuid?.() === 0;
  // Its folder is closed to others, but seen.
  return !isRoot && journalFile !== ofRoot && existsSync(dirname(ofRoot)) ? ofRoot : undefined;
}
