// `fourtuple ports --map`: the picture of the ports in a file, or in the terminal.
import { AppError } from "../base/errors.js";
import type { SocketQuery } from "../ports/query.js";
import { readLocalPortRange } from "../sys/local-ports.js";
import { paintFor } from "../ui/paint.js";
import { sayReadNote } from "./ports-notes.js";
import type { PortTarget } from "./ports-query.js";
import { save } from "./save.js";

/** Addresses that are read; the picture shows fewer and counts the rest. */
const MAX_ADDRESSES = 64;

/** @throws {AppError} E_OPTION when the file's name is neither a picture's nor a page's */
export function checkMapFile(file: string | true): string | true {
  if (file === true || /\.(svg|html?)$/i.test(file)) return file;
  if (/(^|:)\d+(-\d+)?$/.test(file)) {
    throw new AppError("E_OPTION", `--map takes "${file}" for its file`, {
      fix: `put the address first: fourtuple ports ${file} --map`,
    });
  }
  throw new AppError("E_OPTION", `--map "${file}" is neither a picture nor a page`, {
    fix: "give a file that ends in .svg or .html, or none for the terminal",
  });
}

/** @returns how many addresses were drawn: 0 when there was nothing to draw */
export async function drawMap(
  target: PortTarget | undefined,
  query: SocketQuery,
  file: string | true,
): Promise<number> {
  const { portFields } = await import("../ports/field.js");
  const { socketTable } = await import("../ports/summary.js");
  const { portMapOf } = await import("../report/port-map-fields.js");
  const { family } = query;
  const listening = await socketTable({ port: target?.port, ip: target?.ip, family, states: ["LISTEN"], top: 1 });
  const { listeners, fallbackErrno } = listening;
  const read = await portFields({ ...query, limit: MAX_ADDRESSES });
  await sayReadNote({ fallbackErrno, wasInterrupted: read.wasInterrupted });
  const isOnePort = target !== undefined && target.ports.first === target.ports.last;
  const map = portMapOf(read, {
    port: isOnePort ? target.ports.first : undefined,
    ephemeral: readLocalPortRange(),
    listeners,
    at: new Date(),
  });
  if (map.fields.length === 0) return 0;
  if (file === true) {
    const { portMapText } = await import("../report/port-map-terminal.js");
    process.stdout.write(portMapText(map, paintFor(process.stdout)));
  } else {
    save(file, await draw(map, file));
    const { formatCount, plural } = await import("../base/units.js");
    const { drawnFields } = await import("../report/port-map-layout.js");
    const fields = drawnFields(map.fields);
    const ports = fields.reduce((sum, field) => sum + field.ports.reduce((all, cell) => all + cell, 0), 0);
    process.stdout.write(
      `${file}: ${plural(fields.length, "field")}, ${formatCount(ports)} lit pixels, each a port in use\n`,
    );
  }
  return map.fields.length;
}

async function draw(map: Parameters<typeof import("../report/port-map-svg.js").portMapSvg>[0], file: string) {
  if (/\.svg$/i.test(file)) return (await import("../report/port-map-svg.js")).portMapSvg(map);
  return (await import("../report/port-map-html.js")).portMapHtml(map);
}
