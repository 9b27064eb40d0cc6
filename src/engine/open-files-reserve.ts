// The open-file reserve: makes a run stop adding connections before the host runs out of open files. A process
// with CAP_SYS_ADMIN can exceed fs.file-max, and every other program on the host would then fail with ENFILE.

import { readSysctlNumbers } from "../linux/proc/sysctl.js";
import type { FileRoom } from "../results/evidence.js";

const RESERVE = { share: 0.05, least: 1024, most: 0.25 } as const;

/** @returns undefined if the number of open files cannot be read or there is no limit */
export function readFileRoom(): FileRoom | undefined {
  const [open, , max] = readSysctlNumbers("fs.file-nr") ?? [];
  if (open === undefined || max === undefined || max >= Number.MAX_SAFE_INTEGER) return undefined;
  return { open, max, reserve: fileReserve(max) };
}

/** Returns the number of files kept free below fs.file-max: 5%, but at least 1,024 and at most a quarter. */
export function fileReserve(max: number): number {
  const { share, least, most } = RESERVE;
  return Math.floor(Math.min(Math.max(least, max * share), max * most));
}

/** Returns the fs.file-max that allows `files` open files in addition to the reserve, which grows with it. */
export function fileMaxFor(files: number): number {
  const { share, least, most } = RESERVE;
  return Math.ceil(Math.min(Math.max(files + least, files / (1 - share)), files / (1 - most)));
}

export function isBelowReserve({ open, max, reserve }: FileRoom): boolean {
  return max - open < reserve;
}
