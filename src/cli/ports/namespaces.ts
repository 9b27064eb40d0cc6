// Reads `fourtuple ports --all-netns`: the sockets of every network namespace, such as those of containers and pods.

import { paintFor } from "../../output/terminal/paint.js";
import { namespacesText } from "../../output/text/ports/namespaces.js";
import { readNamespaces } from "../../socket-table/namespaces/read.js";
import { printableJson } from "../../util/printable.js";
import { exitCodeFor, nothingFor } from "./nothing.js";
import type { PortsCommandOptions } from "./options.js";
import { toFilter } from "./query.js";
import type { Reading } from "./reading.js";
import type { PortTarget } from "./target.js";

/** @returns `isAbove` if a destination anywhere is above --fail-above */
export async function readNamespacesAsText(
  target: PortTarget | undefined,
  options: PortsCommandOptions,
): Promise<Reading> {
  const { json, top, failAbove } = options;
  const read = await readNamespaces(toFilter(target, options));
  const sockets = read.namespaces.reduce((sum, row) => sum + (row.sockets ?? 0), 0);
  const isAbove = read.namespaces.some(({ fullest }) => failAbove !== undefined && (fullest?.share ?? 0) > failAbove);
  if (json) return { text: printableJson(read), sockets, isAbove };
  const text =
    exitCodeFor(sockets, target, options) === 0
      ? namespacesText(read, top, paintFor(process.stdout))
      : await nothingFor(target, options);
  return { text, sockets, isAbove };
}
