// The open-file reserve: makes a run stop adding connections before the host runs out of open files. A process
// with CAP_SYS_ADMIN can exceed fs.file-max, and every other program on the host would then fail with ENFILE.

import { readSysctlNumbers } from "../linux/proc/sysctl.js";
import type { FileRoom } from "../results/evidence.js";
import { limitFor, type Reserve, reserveOf } from "./reserve.js";

const RESERVE: Reserve = { share: 0.05, least: 1024, most: 0.25 };

/** @returns undefined if the number of open files cannot be read or there is no limit */
export function readFileRoom(): FileRoom | undefined {
  const [open, , max] = readSysctlNumbers("fs.file-nr") ?? [];
  if (open === undefined || max === undefined || max >= Number.MAX_SAFE_INTEGER) return undefined;
  return { open, max, reserve: fileReserve(max) };
}

/** Returns the number of files kept free below fs.file-max: 5%, but at least 1,024 and at most a quarter. */
export function fileReserve(max: number): number {
  return reserveOf(max, RESERVE);
}

/** Returns the fs.file-max that allows `files` open files in addition to the reserve, which grows with it. */
export function fileMaxFor(files: number): number {
  return limitFor(files, RESERVE);
}

export function isBelowReserve({ open, max, reserve }: FileRoom): boolean {
  return max - open < reserve;
}
