// Runs a definition's two sides against each other: in whole pieces, byte by byte, split at every position, and closed
// in every state. However the stream is split, the connection must have the same outcome.
import { AppError } from "../../../util/errors.js";
import type { ScriptedSpec } from "../../spec/spec.js";
import type { ProtocolDefinition } from "../define.js";
import type { Rows } from "../file/rows.js";
import { type Outcome, Pair, SLOT } from "./pair.js";

/** Number of messages in each conversation. */
const MESSAGES = 3;
const MOST_CUTS = 2000;
const TIMED_MS = 200;
const UNFRAMED = "without framing, received() sees what a read returned, which may be any part of a message";
const WHOLE = (length: number) => length;

export interface TrialCheck {
  readonly name: string;
  /** Description of the problem; undefined if there is none. */
  readonly problem: string | undefined;
}

export interface TrialReport {
  /** Number of bytes of state per connection. */
  readonly slotBytes: { readonly client: number; readonly server: number };
  /** Mean duration of a handler call, framing included; undefined if there were too few calls. */
  readonly usPerEvent: number | undefined;
  readonly checks: readonly TrialCheck[];
}

/**
 * @param specs specs of the two sides, both of which the definition must have
 */
export function tryOut(
  definition: ProtocolDefinition,
  specs: Readonly<Record<"client" | "server", ScriptedSpec>>,
  rows?: Rows,
): TrialReport {
  const make = () => new Pair(definition, specs, rows);
  const whole = converse(make(), WHOLE);
  // The usual reason why it matters how the stream is split.
  const unframed = definition.over !== "websocket" && definition.framing === undefined;
  const explained = (problem: string | undefined) =>
    problem !== undefined && unframed ? `${problem}; ${UNFRAMED}` : problem;
  const checks: TrialCheck[] = [{ name: "in whole pieces", problem: whole.problem ?? unfinished(whole, specs.client) }];
  if (checks[0]!.problem === undefined) {
    checks.push({
      name: "byte by byte",
      problem: explained(
        differs(
          whole,
          converse(make(), () => 1),
        ),
      ),
    });
    checks.push({ name: "cut at every position", problem: explained(cutEverywhere(make, whole)) });
    checks.push({ name: "closed in every state", problem: closedEverywhere(make, whole) });
    checks.push({ name: "closed by the server", problem: converse(make(), WHOLE, "server").problem });
  }
  const { client, server } = make();
  return {
    slotBytes: { client: client.side.slotBytes, server: server.side.slotBytes },
    usPerEvent: checks[0]!.problem === undefined ? timeEvents(make()) : undefined,
    checks,
  };
}

interface Conversation {
  readonly client: Outcome;
  readonly server: Outcome;
  /** Number of pieces delivered, and their sizes. */
  readonly pieces: readonly number[];
  readonly problem: string | undefined;
}

/** Opens a connection, sends some messages and closes it at one end. */
function converse(pair: Pair, cut: (length: number) => number, closer: "client" | "server" = "client"): Conversation {
  const pieces: number[] = [];
  const noted = (length: number) => {
    pieces.push(length);
    return cut(length);
  };
  pair.open();
  let isQuiet = pair.exchange(noted);
  for (let n = 0; n < MESSAGES && isQuiet; n++) {
    pair.due();
    pair.tick();
    isQuiet = pair.exchange(noted);
  }
  const [client, server] = [pair.client.outcome, pair.server.outcome];
  pair[closer].side.closing(SLOT);
  pair.exchange(noted);
  pair.end();
  const endless = isQuiet ? undefined : "the two sides answer each other endlessly";
  return { client, server, pieces, problem: pair.error ?? endless };
}

/** Returns what is missing after a complete conversation. */
function unfinished({ client, server }: Conversation, spec: ScriptedSpec): string | undefined {
  if (client.refusedWith !== undefined) return `the client refused the server with ${client.refusedWith}`;
  if (server.refusedWith !== undefined) return `the server refused the client with ${server.refusedWith}`;
  for (const [name, { isReady, isClosed }] of Object.entries({ client, server })) {
    if (!isReady)
      return `the ${name} was never ready: ${isClosed ? "it called close() first" : "no handler called ready()"}`;
  }
  if (client.isClosed || server.isClosed) return undefined;
  if (!spec.sends || !spec.isAnswered || client.answered >= 1) return undefined;
  if (client.missed > 0) return "no message was answered: the client called missed() for each";
  return "no message was answered: no handler called answered()";
}

function differs(expected: Conversation, found: Conversation): string | undefined {
  if (found.problem !== undefined) return found.problem;
  for (const side of ["client", "server"] as const) {
    const [before, after] = [describe(expected[side]), describe(found[side])];
    if (before !== after) return `the ${side} was ${after}, but it was ${before} when data came in whole pieces`;
  }
  return undefined;
}

function describe({ isReady, isClosed, refusedWith, answered }: Outcome): string {
  const state = refusedWith !== undefined ? `refused with ${refusedWith}` : isClosed ? "closed" : "open";
  return `${state}, ${isReady ? "ready" : "not ready"}, ${answered} answered`;
}

/** Splits each piece in two at every position. */
function cutEverywhere(make: () => Pair, whole: Conversation): string | undefined {
  let cuts = 0;
  for (const [piece, length] of whole.pieces.entries()) {
    for (let at = 1; at < length && cuts < MOST_CUTS; at++, cuts++) {
      let n = 0;
      const problem = differs(
        whole,
        converse(make(), (left) => (n++ === piece ? at : left)),
      );
      if (problem !== undefined) return `after ${at} bytes of piece ${piece + 1}: ${problem}`;
    }
  }
  return undefined;
}

/** Ends a connection after each possible number of pieces, and reuses its slot for another one. */
function closedEverywhere(make: () => Pair, whole: Conversation): string | undefined {
  for (let pieces = 0; pieces <= whole.pieces.length; pieces++) {
    const pair = make();
    pair.open();
    for (let n = 0; n < MESSAGES; n++) {
      pair.exchange(WHOLE, pieces);
      pair.due();
    }
    pair.end();
    const problem = differs(whole, converse(pair, WHOLE));
    if (problem !== undefined) return `reused slot of a connection closed after ${pieces} pieces: ${problem}`;
  }
  return undefined;
}

/** Measures user CPU time, on which other programs have little effect. */
function timeEvents(pair: Pair): number | undefined {
  const before = pair.calls;
  const startedUs = process.cpuUsage().user;
  let us = 0;
  while (us < 1000 * TIMED_MS) {
    pair.open();
    pair.exchange(WHOLE);
    for (let n = 0; n < 1000; n++) {
      pair.due();
      pair.tick();
      pair.exchange(WHOLE);
    }
    pair.end();
    us = process.cpuUsage().user - startedUs;
  }
  const calls = pair.calls - before;
  return calls < 1000 ? undefined : us / calls;
}

/**
 * @throws {AppError} E_OPTION if the definition lacks a side
 */
export function assertBothSides({ client, server }: ProtocolDefinition, file: string): void {
  if (client && server) return;
  throw new AppError(
    "E_OPTION",
    `${file} has only a ${client ? "client" : "server"}, so there is nothing to try it against`,
    {
      fix: `add the other side, which may be small, or run it: fourtuple ${client ? "connect" : "serve"} :7777 --protocol ${file}`,
    },
  );
}
