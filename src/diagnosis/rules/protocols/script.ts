// Explains refusals by a user-defined protocol, the other ways in which its connections end, and errors of its handlers.
import { basename } from "node:path";
import { placeInStack } from "../../../protocols/scripted/file/load-failure.js";
import type { ConnectResult } from "../../../results/connect.js";
import type { Finding } from "../../../results/diagnosis.js";
import type { ScriptResult } from "../../../results/script.js";
import { formatCount, plural } from "../../../util/units.js";
import { type Known, local, peer } from "./known.js";

const KNOWN: Readonly<Record<string, Known>> = {
  HANDLER_ERROR: local(
    "handler",
    "a handler of the protocol file threw an error, which ended its connection",
    "correct the handler; the first error, with its file and line, is under handler errors",
  ),
  FRAME_TOO_LONG: local(
    "frame-size",
    "a frame is longer than the protocol file allows, or too many frames are incomplete at once",
    "check the framing, or raise the framing's maxBytes",
  ),
  BAD_LENGTH: local(
    "frame-size",
    "a frame's length is less than that of its header",
    "check the framing: its position, byte order and includesHeader",
  ),
  NO_DATA: local("data", "the data file has no row for this connection", "add rows, or omit --data-once"),
};

/**
 * @returns undefined unless handlers closed connections that were not ready, which by itself is not a failure
 */
export function explainClosedEarly({ script, misses = [] }: ConnectResult): Finding | undefined {
  const unready = misses.find(({ kind }) => kind === "unready");
  if (!script || !unready) return undefined;
  return {
    limit: "handler",
    whose: "local",
    meaning: "the client's handlers called close() before ready()",
    fix: "call c.ready() first, or c.refused() if the setup has failed",
    evidence: [
      `${formatCount(unready.count)} of ${formatCount(unready.of)} connections were never ready, and none failed`,
    ],
  };
}

/**
 * Explains errors that ended no connection, such as those of `closing`.
 * @returns undefined if no handler threw
 */
export function explainHandlerErrors({ script }: Pick<ConnectResult, "script">): Finding | undefined {
  if (!script?.errors) return undefined;
  return {
    limit: "handler",
    whose: "local",
    meaning: "handlers of the protocol file threw errors",
    fix: "correct the handlers",
    evidence: [describeHandlerErrors(script, script.errors)],
  };
}

/** Returns how many calls failed, and the first error with its file and line, if it has one. */
export function describeHandlerErrors({ file }: ScriptResult, errors: NonNullable<ScriptResult["errors"]>): string {
  const [intro = "", ...frames] = errors.first;
  const place = placeInStack(frames.join("\n"));
  const where = place ? `${basename(place.file)}, ${place.words}` : basename(file);
  return `${plural(errors.count, "call")} failed, first: ${intro} (${where})`;
}

/**
 * @returns undefined for a failure unrelated to a script
 */
export function scriptRefusal(script: ScriptResult | undefined, phase: string, errno: string): Known | undefined {
  if (Object.hasOwn(KNOWN, errno)) return KNOWN[errno];
  const code = /^REFUSED (\d+)$/.exec(errno)?.[1];
  if (code !== undefined) {
    const text = script?.refusals.find((refusal) => refusal.code === Number(code))?.text;
    const meaning = text === undefined ? `code ${code}` : `code ${code} (${text})`;
    return peer(
      "refused",
      `the protocol file refused the connection with ${meaning}`,
      "check what the peer sent, and the peer's log",
    );
  }
  if (phase !== "setup") return undefined;
  if (errno === "ETIMEDOUT") {
    return peer(
      "peer-silent",
      "the protocol's handlers did not report the connection as ready in time",
      "check whether the server answers and whether a handler calls ready(), or wait longer (--handshake-timeout)",
    );
  }
  if (errno === "FIN" || errno === "ECONNRESET") {
    return peer(
      "refused",
      "the server closes connections before they are ready",
      "check the server's log, and what opened() sends",
    );
  }
  return undefined;
}
