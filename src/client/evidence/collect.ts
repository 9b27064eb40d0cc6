// Collects evidence at the end of a hold, before anything is closed. Closing empties the queues and frees the
// descriptors.

import { noteEvidence } from "../../engine/run/evidence.js";
import { sumCounter } from "../../engine/worker-memory.js";
import type { Targets } from "../../planning/targets.js";
import type { ConnectResult } from "../../results/connect.js";
import { countEnds, countSockets } from "../../socket-table/count.js";
import { COUNTER } from "../metrics.js";
import type { RunFacts, RunState } from "../run-state.js";
import type { ConnectSettings } from "../settings.js";
import { outgoingOf } from "./half-open.js";
import { inspectLocalPath } from "./local-path.js";
import type { ServerSide } from "./server-side.js";

/** Counts the held connections in the kernel's socket table; counts both ends if the server is on this host. */
export async function countInKernel(
  targets: Targets,
  transport: ConnectSettings["transport"],
): Promise<ConnectResult["kernel"]> {
  const { endpoints, isLocal } = targets;
  // Connections of the user-space TCP have no sockets.
  if (transport === "packet") {
    const incoming = isLocal ? await countSockets({ end: "local", endpoints }) : undefined;
    return incoming && { source: incoming.source, incoming: incoming.sockets };
  }
  if (isLocal) return countEnds(endpoints);
  const { source, sockets } = await countSockets({ end: "remote", endpoints });
  return { source, outgoing: sockets, incoming: 0 };
}

/** Records changes of the kernel's counters in `state` and, if anything is missing, the state of the server. */
export async function collectEvidence(run: RunFacts, state: RunState, server: ServerSide): Promise<void> {
  const { settings, targets, pool } = run;
  const sum = (counter: number) => sumCounter(pool.memories, counter);
  state.evidence = noteEvidence(state.countersBefore);
  // A single connection that its server has closed did what was requested.
  const missed = sum(COUNTER.failed) + (settings.isSingle ? 0 : sum(COUNTER.lost));
  const established = sum(COUNTER.established);
  const here = outgoingOf({ kernel: state.kernel, openAtStop: sum(COUNTER.open) });
  const lacksEnds = state.kernel !== undefined && state.kernel.incoming < here;
  // A user who interrupts a run does not want to wait while the server is inspected.
  const isPatient = !settings.isSingle && !state.wasInterrupted;
  if (isPatient) state.accepting = await server.accepting(lacksEnds);
  // Count again: the peer may have closed connections since, and waiting ones may have reached the accept queue.
  if (state.kernel && (sum(COUNTER.lost) > 0 || (targets.isLocal && lacksEnds))) {
    state.kernel = await countInKernel(targets, settings.transport);
  }
  if (sum(COUNTER.failed) > 0) state.localPath = inspectLocalPath(targets, pool.memories);
  const greeted = run.histograms.firstByte.count;
  const isGreeter = greeted > 0 || settings.closesGreeted;
  const hasUngreeted = isGreeter && greeted < established;
  if (missed > 0 || lacksEnds) state.peer = await server.inspect();
  else if (state.accepting || (isPatient && hasUngreeted)) state.peer = await server.inspected();
}
