// Runs `fourtuple ports --all-netns`: shows the sockets of every network namespace, such as those of containers and
// pods.

import { print, printFile } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { namespacesText } from "../../output/text/ports/namespaces.js";
import { readNamespaces } from "../../socket-table/namespaces/read.js";
import { printableJson } from "../../util/printable.js";
import { exitCodeFor, nothingFor } from "./nothing.js";
import type { PortsCommandOptions } from "./options.js";
import { toFilter } from "./query.js";
import type { PortTarget } from "./target.js";

/** @returns the exit code: 1 if nothing matches, or if a destination anywhere is above --fail-above */
export async function showNamespaces(target: PortTarget | undefined, options: PortsCommandOptions): Promise<number> {
  const { json, top, failAbove } = options;
  const read = await readNamespaces(toFilter(target, options));
  const sockets = read.namespaces.reduce((sum, row) => sum + (row.sockets ?? 0), 0);
  const code = exitCodeFor(sockets, target, options);
  if (json) printFile(`${printableJson(read)}\n`);
  else print(code === 0 ? namespacesText(read, top, paintFor(process.stdout)) : await nothingFor(target, options));
  const isAbove = read.namespaces.some(({ fullest }) => failAbove !== undefined && (fullest?.share ?? 0) > failAbove);
  return isAbove ? 1 : code;
}
