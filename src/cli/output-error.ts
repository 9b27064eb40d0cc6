// Output that cannot be written, in a sentence. Loaded by the entry: it brings no more than the errors' words.
import { AppError } from "../util/errors.js";

/** The error for standard output that takes no more: a full disk, a device that fails. */
export function outputFailed(cause: NodeJS.ErrnoException): AppError {
  return new AppError("E_SYSTEM", `the output cannot be written: ${cause.message}`, {
    fix: "make room where it goes, or send it somewhere else",
    cause,
  });
}
