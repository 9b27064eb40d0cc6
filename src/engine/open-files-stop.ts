// The reserve of open files: a run stops adding connections while the host has some left. Who has CAP_SYS_ADMIN may go beyond
// fs.file-max, and every other program of the host fails with ENFILE.

import { readSysctlNumbers } from "../linux/proc/sysctl.js";
import type { FileRoom } from "../results/evidence.js";

const RESERVE = { share: 0.05, least: 1024, most: 0.25 } as const;

/** @returns undefined where it may not be read, or nothing bounds them */
export function readFileRoom(): FileRoom | undefined {
  const [open, , max] = readSysctlNumbers("fs.file-nr") ?? [];
  if (open === undefined || max === undefined || max >= Number.MAX_SAFE_INTEGER) return undefined;
  return { open, max, reserve: fileReserve(max) };
}

/** What stays free of fs.file-max: 5 %, at least 1,024, at most a quarter. */
export function fileReserve(max: number): number {
  const { share, least, most } = RESERVE;
  return Math.floor(Math.min(Math.max(least, max * share), max * most));
}

/** The fs.file-max under which `files` leave the reserve free, which grows with it. */
export function fileMaxFor(files: number): number {
  const { share, least, most } = RESERVE;
  return Math.ceil(Math.min(Math.max(files + least, files / (1 - share)), files / (1 - most)));
}

export function isBelowReserve({ open, max, reserve }: FileRoom): boolean {
  return max - open < reserve;
}
