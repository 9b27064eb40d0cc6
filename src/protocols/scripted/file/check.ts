// Checks a user's protocol definition before a run, and explains what is wrong with it.
import { AppError } from "../../../util/errors.js";
import { printable, quoted } from "../../../util/printable.js";
import type { ProtocolDefinition } from "../define.js";
import { COLUMN_TYPES } from "../state/columns.js";
import { RESERVED_NAMES } from "../state/connection.js";

const FIELDS = "name over framing state metrics phases data tickMs client server".split(" ");
const HANDLERS = "opened received tick closing".split(" ");
const CLIENT_FIELDS = [...HANDLERS, "due", "expectsAnswers", "oneAtATime"];
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MOST_METRICS = 32;
const MOST_PHASES = 16;
const LONGEST_NAME = 64;
const LONGEST_DELIMITER = 16;
/** The incomplete frames of all of a thread's connections share 16 MiB. */
const LARGEST_FRAME = 8 * 1024 * 1024;

type Fields = Readonly<Record<string, unknown>>;
type Fail = (problem: string) => AppError;

/**
 * @param file name of the file in messages
 * @throws {AppError} E_OPTION
 */
export function checkDefinition(found: unknown, file: string): ProtocolDefinition {
  const fail: Fail = (problem) =>
    new AppError("E_OPTION", `${quoted(file)}: ${problem}`, {
      fix: "see docs/own-protocol.md, or create one with fourtuple protocol new",
    });
  if (!isObject(found) || found instanceof Promise)
    throw fail("the default export is not a protocol: export default defineProtocol({ … })");
  checkFields(found, FIELDS, "the definition", fail);
  const { name, over = "bytes", framing, client, server, tickMs } = found;
  if (typeof name !== "string" || name === "" || name.length > LONGEST_NAME || name !== printable(name)) {
    throw fail(`name must be a string of 1 to ${LONGEST_NAME} characters, on one line`);
  }
  if (over !== "bytes" && over !== "websocket") throw fail('over must be "bytes" or "websocket"');
  if (client === undefined && server === undefined) throw fail("it has neither a client nor a server");
  if (over === "websocket" && framing !== undefined)
    throw fail("over WebSocket, each message is a frame: omit framing");
  if (framing !== undefined) checkFraming(framing, fail);
  checkNames(found, fail);
  if (client !== undefined) checkSide(client, "client", CLIENT_FIELDS, fail);
  if (server !== undefined) checkSide(server, "server", HANDLERS, fail);
  if (tickMs !== undefined && !(isNumber(tickMs) && tickMs >= 1 && tickMs < 2 ** 31))
    throw fail("tickMs must be 1 or more");
  const ticks = [client, server].some((side) => isObject(side) && side.tick !== undefined);
  if (ticks !== (tickMs !== undefined))
    throw fail(ticks ? "tick needs tickMs, its interval" : "tickMs needs a handler tick");
  return found as unknown as ProtocolDefinition;
}

function checkSide(side: unknown, name: string, fields: readonly string[], fail: Fail): void {
  if (!isObject(side)) throw fail(`${name} must be an object with handlers`);
  checkFields(side, fields, name, fail);
  for (const handler of [...HANDLERS, "due"]) {
    const value = side[handler];
    if (value === undefined) continue;
    if (typeof value !== "function") throw fail(`${name}.${handler} must be a function`);
    const kind = Object.prototype.toString.call(value);
    if (kind.includes("Async")) throw fail(`${name}.${handler} is async; handlers must return at once`);
    if (kind.includes("Generator")) throw fail(`${name}.${handler} is a generator, whose body would not run`);
  }
  for (const flag of ["expectsAnswers", "oneAtATime"]) {
    if (side[flag] !== undefined && typeof side[flag] !== "boolean")
      throw fail(`${name}.${flag} must be true or false`);
  }
}

function checkNames({ state = {}, metrics = {}, phases = [], data = [] }: Fields, fail: Fail): void {
  if (!isObject(state)) throw fail('state must be an object, such as { seq: "u32" }');
  for (const [column, type] of Object.entries(state)) {
    if (!IDENTIFIER.test(column) || RESERVED_NAMES.includes(column)) throw fail(`state.${column}: choose another name`);
    if (!COLUMN_TYPES.some((known) => known === type))
      throw fail(`state.${column} must be one of ${COLUMN_TYPES.join(", ")}`);
  }
  if (!isObject(metrics)) throw fail('metrics must be an object, such as { joined: "counter" }');
  for (const [metric, declared] of Object.entries(metrics)) {
    const type = isObject(declared) ? declared.type : declared;
    if (!IDENTIFIER.test(metric)) throw fail(`metrics.${metric}: use letters, digits and _`);
    if (type !== "counter" && type !== "histogram") throw fail(`metrics.${metric} must be "counter" or "histogram"`);
    if (!isObject(declared)) continue;
    checkFields(declared, ["type", "help"], `metrics.${metric}`, fail);
    if (declared.help !== undefined && typeof declared.help !== "string")
      throw fail(`metrics.${metric}.help must be a string`);
  }
  if (Object.keys(metrics).length > MOST_METRICS) throw fail(`there are more than ${MOST_METRICS} metrics`);
  for (const [list, names] of Object.entries({ phases, data })) {
    if (!Array.isArray(names) || !names.every((each) => typeof each === "string" && each !== "")) {
      throw fail(`${list} must be a list of names`);
    }
    if (new Set(names as string[]).size !== (names as string[]).length) throw fail(`${list} contains a name twice`);
  }
  if ((phases as string[]).some((phase) => phase !== printable(phase)))
    throw fail("each phase's name must be on one line");
  if ((phases as string[]).length > MOST_PHASES) throw fail(`there are more than ${MOST_PHASES} phases`);
}

function checkFraming(framing: unknown, fail: Fail): void {
  if (!isObject(framing)) throw fail('framing must be an object, such as { delimiter: "\\n" }');
  const kinds = ["delimiter", "length", "fixed", "end"].filter((kind) => framing[kind] !== undefined);
  if (kinds.length !== 1) throw fail("framing must have one of delimiter, length, fixed and end");
  checkFields(framing, kinds[0] === "fixed" ? kinds : [kinds[0]!, "maxBytes"], "framing", fail);
  const { delimiter, length, fixed, end, maxBytes } = framing;
  if (maxBytes !== undefined && !isSize(maxBytes)) throw fail(`framing.maxBytes must be 1 to ${LARGEST_FRAME}`);
  if (fixed !== undefined && !isSize(fixed)) throw fail(`framing.fixed must be 1 to ${LARGEST_FRAME}`);
  if (end !== undefined && typeof end !== "function") throw fail("framing.end must be a function");
  if (delimiter !== undefined) {
    const isText = typeof delimiter === "string" || delimiter instanceof Uint8Array;
    const bytes = isText ? Buffer.from(delimiter as Uint8Array).length : 0;
    if (bytes < 1 || bytes > LONGEST_DELIMITER)
      throw fail(`framing.delimiter must be a string or a Uint8Array of 1 to ${LONGEST_DELIMITER} bytes`);
  }
  if (length === undefined) return;
  if (!isObject(length)) throw fail("framing.length must be an object, such as { bytes: 2 }");
  checkFields(length, ["bytes", "endian", "at", "includesHeader"], "framing.length", fail);
  const { bytes, endian = "big", at = 0 } = length;
  if (![1, 2, 3, 4].includes(bytes as number)) throw fail("framing.length.bytes must be 1, 2, 3 or 4");
  if (endian !== "big" && endian !== "little") throw fail('framing.length.endian must be "big" or "little"');
  if (!(Number.isInteger(at) && (at as number) >= 0 && (at as number) < 256))
    throw fail("framing.length.at must be 0 to 255");
}

function checkFields(object: Fields, known: readonly string[], what: string, fail: Fail): void {
  const unknown = Object.keys(object).find((name) => !known.includes(name));
  if (unknown !== undefined) throw fail(`${what} has an unknown field: ${unknown} (known: ${known.join(", ")})`);
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

function isSize(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= LARGEST_FRAME;
}
