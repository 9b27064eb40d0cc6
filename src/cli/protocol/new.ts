// Runs `fourtuple protocol new`: writes a commented skeleton of a protocol.
import { existsSync } from "node:fs";
import { basename, extname } from "node:path";
import { print } from "../../output/terminal/output.js";
import { neededToLoad } from "../../protocols/scripted/file/load.js";
import { AppError } from "../../util/errors.js";
import { printable, quoted } from "../../util/printable.js";
import { commandLine } from "../command-line.js";
import { openOutput } from "../files/output.js";
import { templateFor } from "./template.js";

const EXTENSIONS = [".mjs", ".js", ".ts", ".mts"];

/**
 * @returns the exit code
 * @throws {AppError} E_OPTION if the file exists, or if its extension does not belong to
 *   a module
 */
export function runProtocolNew(file: string): number {
  const extension = extname(file);
  if (!EXTENSIONS.includes(extension)) {
    throw new AppError("E_OPTION", `${quoted(file)} does not have the extension of JavaScript or TypeScript`, {
      fix: `name it ${EXTENSIONS.join(", ")}`,
    });
  }
  if (existsSync(file)) {
    throw new AppError("E_OPTION", `${quoted(file)} already exists`, { fix: "choose another name, or remove it" });
  }
  const output = openOutput(file, []);
  try {
    output.write(templateFor(basename(file, extension)));
  } finally {
    output.close();
  }
  const needed = neededToLoad(file);
  print(printable(`${file}: a line protocol to change; try it with ${commandLine(["protocol", "check", file])}`));
  if (needed !== undefined) print(printable(`Before that, ${needed}.`));
  return 0;
}
