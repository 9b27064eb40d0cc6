// The error for output that cannot be written. This file imports little, because the entry point loads
// it.
import { AppError } from "../util/errors.js";

/** Returns the error for a failed write to standard output, such as a full disk or a failing device. */
export function outputFailed(cause: NodeJS.ErrnoException): AppError {
  return new AppError("E_SYSTEM", `the output cannot be written: ${cause.message}`, {
    fix: "free space there, or send the output somewhere else",
    cause,
  });
}
