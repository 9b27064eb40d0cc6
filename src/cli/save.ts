// A file that a command writes: what goes wrong is said with a fix.
import { writeFileSync } from "node:fs";
import { AppError } from "../base/errors.js";

/** @throws {AppError} E_SYSTEM when it cannot be written */
export function save(output: string, text: string): void {
  try {
    writeFileSync(output, text);
  } catch (cause) {
    throw new AppError("E_SYSTEM", `${output} cannot be written: ${(cause as Error).message}`, {
      fix: "give a file in a directory that exists and may be written to",
      cause,
    });
  }
}
