// The evidence at the end of a hold, before anything is closed: afterwards the queues are empty and the descriptors free.

import { noteEvidence } from "../../engine/run/evidence.js";
import { sumCounter } from "../../engine/worker-memory.js";
import type { Targets } from "../../planning/targets.js";
import type { ConnectResult } from "../../results/connect.js";
import { countSockets } from "../../socket-table/count.js";
import type { RunFacts, RunState } from "../run-state.js";
import { COUNTER } from "../worker-plan.js";
import { inspectLocalPath } from "./local-path.js";
import type { ServerSide } from "./server-side.js";

/** Counts the held connections in the kernel's socket table, from both ends where both are here. */
export async function countInKernel(targets: Targets): Promise<ConnectResult["kernel"]> {
  const { endpoints, isLocal } = targets;
  const outgoing = await countSockets({ end: "remote", endpoints });
  const incoming = isLocal ? await countSockets({ end: "local", endpoints }) : undefined;
  return { source: outgoing.source, outgoing: outgoing.sockets, incoming: incoming?.sockets ?? 0 };
}

/** Notes in `record` what the kernel's counters say, and what the server's end has come to where something is missing. */
export async function collectEvidence(run: RunFacts, record: RunState, server: ServerSide): Promise<void> {
  const { settings, targets, pool } = run;
  const sum = (counter: number) => sumCounter(pool.memories, counter);
  record.evidence = noteEvidence(record.countersBefore);
  // A single connection that its server has closed has done what was requested.
  const missed = sum(COUNTER.failed) + (settings.isSingle ? 0 : sum(COUNTER.lost));
  const lacksEnds = (record.kernel?.incoming ?? 0) < (record.kernel?.outgoing ?? 0);
  // Whoever interrupts a run does not wait for what the server may come to.
  const isPatient = !settings.isSingle && !record.wasInterrupted;
  if (isPatient) record.accepting = await server.accepting(lacksEnds);
  // What the peer has closed meanwhile is no longer there, and what waited for its accept queue may have come.
  if (record.kernel && (sum(COUNTER.lost) > 0 || (targets.isLocal && lacksEnds))) {
    record.kernel = await countInKernel(targets);
  }
  if (sum(COUNTER.failed) > 0) record.localPath = inspectLocalPath(targets, pool.memories);
  const greeted = run.histograms.firstByte.count;
  const isGreeter = greeted > 0 || settings.closesGreeted;
  const hasUngreeted = isGreeter && greeted < sum(COUNTER.established);
  if (missed > 0 || lacksEnds) record.peer = await server.inspect();
  else if (record.accepting || (isPatient && hasUngreeted)) record.peer = await server.inspected();
}
