// A file that a command writes: what goes wrong is said with a fix.
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from "node:fs";
import { AppError } from "../base/errors.js";

/** @throws {AppError} E_SYSTEM when it cannot be written */
export function save(output: string, text: string): void {
  attempt(output, () => writeFileSync(output, text));
}

/** Leaves what is there as it is. @throws {AppError} E_SYSTEM when it cannot be written */
export function expectWritable(output: string): void {
  attempt(output, () => {
    const isNew = !existsSync(output);
    closeSync(openSync(output, "a"));
    if (isNew) rmSync(output);
  });
}

function attempt(output: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    throw new AppError("E_SYSTEM", `${output} cannot be written: ${(cause as Error).message}`, {
      fix: "give a file in a directory that exists and may be written to",
      cause,
    });
  }
}
