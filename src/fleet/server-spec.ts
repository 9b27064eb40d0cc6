// The spec of a run that serves, as plain data that survives JSON: the options of serve(), with bytes in base64.
import type { RunSpec } from "../planning/run-spec.js";
import { resolveOptions, type ServeOptions } from "../server/options.js";
import { AppError } from "../util/errors.js";

/** Options that concern the program that serves, and not the run. */
type OfProgram = "log" | "apply" | "journal" | "signal";
/** Options that may be bytes. */
const CONTENTS = ["greeting", "body"] as const;

export interface ServerSpec extends Omit<ServeOptions, OfProgram | (typeof CONTENTS)[number]> {
  /** Contents in base64. */
  readonly base64: Partial<Readonly<Record<(typeof CONTENTS)[number], string>>>;
  /** How long to serve once all agents accept connections; undefined: until the run is stopped. */
  readonly holdMs?: number | undefined;
}

export function isServerSpec(spec: RunSpec | ServerSpec): spec is ServerSpec {
  return "at" in spec;
}

/**
 * @param holdMs how long to serve
 * @throws {AppError} E_ADDRESS; E_OPTION for an invalid option, or one that does not work with a fleet
 */
export function serverSpec(options: ServeOptions, holdMs: number | undefined): ServerSpec {
  assertServable(options);
  if (holdMs !== undefined && !(holdMs > 0)) throw refusal(`invalid duration: ${holdMs} ms`, "use more than 0");
  resolveOptions(options);
  const { log: _log, apply: _apply, journal: _journal, signal: _signal, greeting, body, ...rest } = options;
  const contents = { greeting, body };
  const given = CONTENTS.flatMap((name) => {
    const content = contents[name];
    return content === undefined ? [] : [[name, Buffer.from(content as Uint8Array).toString("base64")]];
  });
  return { ...rest, base64: Object.fromEntries(given), holdMs };
}

/**
 * Returns the options of serve() for a spec, which anybody may have sent.
 * @throws {AppError} E_OPTION for an option that would run code of this host, or change it
 */
export function serveOptionsOf({ base64, holdMs: _, ...rest }: ServerSpec): ServeOptions {
  assertServable(rest);
  const contents = CONTENTS.flatMap((name) =>
    base64[name] === undefined ? [] : [[name, Buffer.from(base64[name], "base64")]],
  );
  return { ...rest, ...Object.fromEntries(contents), log: "none" };
}

function assertServable({ protocol, transport, apply, journal, log }: ServeOptions): void {
  if (protocol !== undefined) {
    throw refusal("a protocol of your own cannot be served by a fleet", "omit --protocol or --fleet");
  }
  if (transport === "packet" || apply || journal !== undefined) {
    throw refusal("--transport packet cannot be served by a fleet", "omit --transport or --fleet");
  }
  if (log === "all") {
    throw refusal("a fleet does not report the addresses of its clients", "omit --log all or --fleet");
  }
}

function refusal(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
