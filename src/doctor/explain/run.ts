// From a finished run to its diagnosis: which limit stopped it, or which remain.
import { AppError } from "../../base/errors.js";
import { formatCount } from "../../base/units.js";
import type { ConnectResult } from "../../connect/result.js";
import type { ServeResult } from "../../serve/result.js";
import { explainClient } from "./client.js";
import type { Diagnosis } from "./diagnosis.js";
import { reachedBy } from "./plateaus.js";
import { explainServer } from "./server.js";

/**
 * Names the limit that stopped a run, whose it is, the evidence and the fix. Reads the result alone: an old one is explained as
 * it was.
 *
 * @throws {AppError} E_OPTION when it is no result of connect() or serve()
 */
export function explainRun(result: ConnectResult | ServeResult): Diagnosis {
  assertResult(result);
  return result.kind === "connect" ? diagnoseClient(result) : diagnoseServer(result);
}

function diagnoseClient(result: ConnectResult): Diagnosis {
  const reached = reachedBy(result);
  const base = { kind: "diagnosis", version: 1, wanted: result.asked, reached, notes: notesOn(result) } as const;
  if (result.isTargetMet) return { ...base, outcome: "met", finding: undefined, suspects: [] };
  const found = explainClient(result);
  if (!Array.isArray(found)) {
    return { ...base, outcome: found.limit === "stop" ? "stopped" : "limited", finding: found, suspects: [] };
  }
  return { ...base, outcome: "undecided", finding: undefined, suspects: found };
}

function diagnoseServer(result: ServeResult): Diagnosis {
  const finding = explainServer(result);
  return {
    kind: "diagnosis",
    version: 1,
    outcome: finding ? "limited" : "met",
    wanted: result.accepted + result.rejected,
    reached: result.peakOpen,
    finding,
    suspects: [],
    notes: [],
  };
}

/** A client's socket is ESTABLISHED once the server's kernel has answered: the server's own may still be missing. */
function notesOn({ kernel }: ConnectResult): string[] {
  if (!kernel || kernel.incoming === 0 || kernel.incoming >= kernel.outgoing) return [];
  const missing = formatCount(kernel.outgoing - kernel.incoming);
  return [
    `${missing} connections are ESTABLISHED at this end and not yet at the server's: its accept queue was full, and it has dropped the last packet of their handshakes`,
  ];
}

/** What is read of a result: an old file may be another program's, or cut short. */
const SHAPES: Record<string, Readonly<Record<string, "number" | "boolean" | "array" | "object">>> = {
  connect: {
    asked: "number",
    established: "number",
    lost: "number",
    peakOpen: "number",
    nofileLimit: "number",
    threads: "number",
    isTargetMet: "boolean",
    failures: "array",
    losses: "array",
    plan: "object",
    memory: "object",
    evidence: "object",
  },
  serve: {
    accepted: "number",
    rejected: "number",
    peakOpen: "number",
    nofileLimit: "number",
    tableFull: "number",
    failures: "array",
    backlog: "object",
    evidence: "object",
  },
};
const EVIDENCE = { risen: "object", settings: "object", gauges: "object" } as const;

function assertResult(value: unknown): asserts value is ConnectResult | ServeResult {
  const { kind, version, evidence } = (value ?? {}) as Record<string, unknown>;
  const shape = SHAPES[String(kind)];
  if (shape && version === 1 && hasShape(value, shape) && hasShape(evidence, EVIDENCE)) return;
  throw new AppError("E_OPTION", "this is no result of a run", {
    fix: "give what `fourtuple connect --json` or `fourtuple serve --json` printed",
  });
}

function hasShape(value: unknown, shape: Readonly<Record<string, string>>): boolean {
  const fields = value as Record<string, unknown>;
  return Object.entries(shape).every(([name, type]) => {
    const field = fields[name];
    return type === "array" ? Array.isArray(field) : typeof field === type && field !== null;
  });
}
