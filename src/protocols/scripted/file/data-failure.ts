// The error for a data file that cannot be used.
import { AppError } from "../../../util/errors.js";
import { quoted } from "../../../util/printable.js";

/** @param problem continues "the data file x.csv", such as "is empty" */
export function invalid(file: string, problem: string, fix: string): AppError {
  return new AppError("E_OPTION", `the data file ${quoted(file)} ${problem}`, { fix });
}
