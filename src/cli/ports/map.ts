// Runs `fourtuple ports --map`: draws the ports into a file or on the terminal.

import { readLocalPortRange } from "../../linux/proc/local-ports.js";
import type { PortMap } from "../../output/port-map/cells.js";
import { print } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import type { SocketQuery } from "../../socket-table/query.js";
import { AppError } from "../../util/errors.js";
import { printable, quoted, shortened } from "../../util/printable.js";
import { type Output, openOutput } from "../files/output.js";
import { formatReadNote } from "./notes.js";
import type { PortTarget } from "./target.js";

/**
 * Maximum number of addresses to read. The picture shows fewer addresses, and gives the
 * number of the others.
 */
const MAX_ADDRESSES = 64;

/** @throws {AppError} E_OPTION unless the file name ends in .svg, .htm or .html */
export function checkMapFile(file: string | true): string | true {
  if (file === true || /\.(svg|html?)$/i.test(file)) return file;
  if (/(^|:)\d+(-\d+)?$/.test(file)) {
    throw new AppError("E_OPTION", `--map would write to ${quoted(file)}`, {
      fix: `put the address first: fourtuple ports ${shortened(file)} --map`,
    });
  }
  throw new AppError("E_OPTION", `--map ${quoted(file)}: unknown file type`, {
    fix: "use a name that ends in .svg or .html, or none to draw in the terminal",
  });
}

/** @returns number of addresses drawn; 0 if there was nothing to draw */
export async function drawMap(
  target: PortTarget | undefined,
  query: SocketQuery,
  file: string | true,
): Promise<number> {
  if (file === true) return draw(target, query, (map) => showMap(map));
  const output = openOutput(file);
  try {
    return await draw(target, query, (map) => saveMap(map, file, output));
  } finally {
    output.close();
  }
}

async function draw(
  target: PortTarget | undefined,
  query: SocketQuery,
  deliver: (map: PortMap) => Promise<void>,
): Promise<number> {
  const { portFields } = await import("../../socket-table/ports/ports-in-use.js");
  const { socketTable } = await import("../../socket-table/summary.js");
  const { portMapOf } = await import("../../output/port-map/fields.js");
  const { family } = query;
  const listening = await socketTable({ port: target?.port, ip: target?.ip, family, states: ["LISTEN"], top: 1 });
  const { listeners, fallbackErrno } = listening;
  const read = await portFields({ ...query, limit: MAX_ADDRESSES });
  await formatReadNote({ fallbackErrno, wasInterrupted: read.wasInterrupted });
  const isOnePort = target !== undefined && target.ports.first === target.ports.last;
  const map = portMapOf(read, {
    port: isOnePort ? target.ports.first : undefined,
    ephemeral: readLocalPortRange(),
    listeners,
    at: new Date(),
  });
  if (map.fields.length > 0) await deliver(map);
  return map.fields.length;
}

async function showMap(map: PortMap): Promise<void> {
  const { portMapText } = await import("../../output/port-map/terminal.js");
  const paint = paintFor(process.stdout);
  print(portMapText(map, paint, paint.columns).trimEnd());
}

async function saveMap(map: PortMap, file: string, output: Output): Promise<void> {
  output.write(await toFile(map, file));
  const { plural } = await import("../../util/units.js");
  const { drawnFields } = await import("../../output/port-map/layout.js");
  const fields = drawnFields(map.fields);
  const ports = fields.reduce((sum, field) => sum + field.ports.reduce((all, cell) => all + cell, 0), 0);
  print(`${printable(file)}: ${plural(fields.length, "address", "addresses")}, ${plural(ports, "port")} in use`);
}

async function toFile(map: PortMap, file: string): Promise<string> {
  if (/\.svg$/i.test(file)) return (await import("../../output/port-map/svg.js")).portMapSvg(map);
  return (await import("../../output/port-map/html.js")).portMapHtml(map);
}
