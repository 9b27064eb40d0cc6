// Runs `fourtuple ports`: chooses what to read and how to show it.

import { print, printFile, printNote } from "../../output/terminal/output.js";
import type { Churn } from "../../socket-table/churn.js";
import { AppError } from "../../util/errors.js";
import { enterNamespace } from "../netns.js";
import { exitCodeFor, nothingFor } from "./nothing.js";
import type { PortsCommandOptions } from "./options.js";
import { checkPressureOptions } from "./pressure.js";
import { checkZones, toQuery } from "./query.js";
import { readAsText } from "./reading.js";
import { parseTarget } from "./target.js";

/** @returns the exit code */
export async function runPorts(at: string | undefined, options: PortsCommandOptions): Promise<number> {
  if (!options.header && !options.list) {
    throw new AppError("E_OPTION", "--no-header requires --list", {
      fix: "add --list, or omit --no-header",
    });
  }
  checkPressureOptions(options);
  // Enter the namespace before resolving names. Either way, the resolver uses the configuration files that this
  // process sees.
  enterNamespace(options, "ports");
  const target = at === undefined ? undefined : await parseTarget(at);
  if (options.peer !== undefined) await checkZones(options.peer);
  if (options.list) {
    const { listSockets } = await import("./list.js");
    const rows = toQuery(target, { ...options, ...(options.listening && { state: listenOnly(options) }) });
    const listed = await listSockets(rows, {
      memory: !!options.memory,
      process: !!options.process,
      header: options.header,
    });
    const code = exitCodeFor(listed, target, options);
    // A program may be reading the rows on standard output, so this message goes to standard error.
    if (code !== 0) printNote(await nothingFor(target, options));
    return code;
  }
  if (options.map !== undefined) {
    const { checkMapFile, drawMap } = await import("./map.js");
    const drawn = await drawMap(target, toQuery(target, options), checkMapFile(options.map));
    if (drawn === 0) print(await nothingFor(target, options));
    return drawn === 0 ? 1 : 0;
  }
  const readText = options.allNetns ? (await import("./namespaces.js")).readNamespacesAsText : readAsText;
  if (!options.watch) {
    const { text, sockets, isAbove } = await readText(target, options);
    if (isForPrograms(options)) printFile(`${text}\n`);
    else print(text);
    return isAbove ? 1 : exitCodeFor(sockets, target, options);
  }
  const { watch } = await import("./watch.js");
  const readNext = async (churn: Churn) => (await readText(target, options, churn)).text;
  return watch(toQuery(target, options), readNext, isForPrograms(options));
}

function isForPrograms({ json, metrics }: PortsCommandOptions): boolean {
  return Boolean(json || metrics);
}

/** @throws {AppError} E_OPTION if other states are requested as well */
function listenOnly({ state }: PortsCommandOptions): readonly ["LISTEN"] {
  if (state?.some((name) => name !== "LISTEN")) {
    throw new AppError("E_OPTION", "--listening shows only sockets in LISTEN, so --state cannot add others", {
      fix: "use either --listening or --state listen,established",
    });
  }
  return ["LISTEN"];
}
