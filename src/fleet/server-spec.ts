// The spec of a run that serves, as plain data that survives JSON: the options of serve(), with bytes in base64.
import type { RunSpec } from "../planning/run-spec.js";
import { loadFirst } from "../protocols/scripted/file/load-first.js";
import type { ScriptedSpec } from "../protocols/spec/spec.js";
import { resolveOptions, type ServeOptions } from "../server/options.js";
import { AppError } from "../util/errors.js";
import type { Code, StoredCode } from "./code.js";

/** Options that concern the program that serves, and not the run. */
type OfProgram = "log" | "apply" | "journal" | "signal";
/** Options that name files, which agents are sent. */
type Files = "protocol" | "data";
/** Options that may be bytes. */
const CONTENTS = ["greeting", "body"] as const;

export interface ServerSpec extends Omit<ServeOptions, OfProgram | Files | (typeof CONTENTS)[number]> {
  /** A user-defined protocol. */
  readonly code?: Code | undefined;
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
export async function serverSpec(options: ServeOptions, holdMs: number | undefined): Promise<ServerSpec> {
  assertServable(options);
  if (holdMs !== undefined && !(holdMs > 0)) throw refusal(`invalid duration: ${holdMs} ms`, "use more than 0");
  const script = options.protocol === undefined ? undefined : await loadFirst(options.protocol);
  const { protocol } = resolveOptions(options, script);
  const code = protocol?.name === "scripted" ? codeIn(protocol) : undefined;
  const {
    log: _log,
    apply: _apply,
    journal: _journal,
    signal: _signal,
    protocol: _protocol,
    data: _data,
    ...others
  } = options;
  const { greeting, body, ...rest } = others;
  const contents = { greeting, body };
  const given = CONTENTS.flatMap((name) => {
    const content = contents[name];
    return content === undefined ? [] : [[name, Buffer.from(content as Uint8Array).toString("base64")]];
  });
  return { ...rest, code, base64: Object.fromEntries(given), holdMs };
}

function codeIn({ title, file, sha256, data }: ScriptedSpec): Code {
  return { title, file, sha256, data: data && { file: data.file } };
}

/**
 * Returns the options of serve() for a spec, which anybody may have sent.
 *
 * @param files of the protocol, on this host
 * @throws {AppError} E_OPTION for an option that would read a file of this host as code or data, or change the host
 */
export function serveOptionsOf({ base64, holdMs: _, code: __, ...rest }: ServerSpec, files?: StoredCode): ServeOptions {
  const { protocol, data }: ServeOptions = rest;
  if (protocol !== undefined || data !== undefined) {
    throw refusal("a file of the agent's host cannot be served by a fleet", "use the same version of fourtuple");
  }
  assertServable(rest);
  const contents = CONTENTS.flatMap((name) =>
    base64[name] === undefined ? [] : [[name, Buffer.from(base64[name], "base64")]],
  );
  return { ...rest, protocol: files?.file, data: files?.data, ...Object.fromEntries(contents), log: "none" };
}

function assertServable({ apply, journal, log }: ServeOptions): void {
  if (apply || journal !== undefined) {
    throw refusal("changes to a host cannot be served by a fleet", "start the agents with --apply");
  }
  if (log === "all") {
    throw refusal("a fleet does not report the addresses of its clients", "omit --log all or --fleet");
  }
}

function refusal(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
