// Lists the modules that run as threads or processes of their own. Each one is bundled separately.

/** Paths below src/, without extension. */
export const ENTRIES = [
  "client/worker",
  "client/single/worker",
  "server/worker",
  "engine/threads/unshare-probe",
  "protocols/scripted/file/load-thread",
  "lab/observe/in-host-socket-table",
] as const;

export type Entry = (typeof ENTRIES)[number];
