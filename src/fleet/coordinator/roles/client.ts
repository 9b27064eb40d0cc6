// A fleet that opens connections: exact shares of the connections, and a hold that begins when all of them are open.
import type { ConnectSnapshot } from "../../../client/snapshot.js";
import type { RunSpec } from "../../../planning/run-spec.js";
import { emptySnapshot, mergeSnapshots } from "../../sums/snapshots.js";
import { type Dealt, deal } from "../dealing/deal.js";
import { redeal } from "../dealing/redeal.js";
import { type Holder, whyNoMore } from "../dealing/room.js";
import { sliceSpec } from "../dealing/slice.js";
import type { Member } from "../member.js";
import { fleetResult } from "../result/client-result.js";
import type { ClientKind } from "./kind.js";
import type { FleetRole, Progress } from "./role.js";

export const CLIENT_ROLE: FleetRole<ClientKind> = {
  kind: "connect",
  requested: ({ connections }) => connections,
  target: ({ connections, thresholds }) => ({ connections, thresholds }),
  slice: sliceSpec,
  dealAnew,
  redeal,
  snapshot,
  isReady: ({ stage }) => stage !== "ramp",
  stage: ({ stage }) => stage,
  // A number of messages ends a run by itself.
  holdMs: ({ durationMs, requests }) => (durationMs === "forever" || requests !== undefined ? undefined : durationMs),
  isOpenEnded: ({ durationMs, requests }) => durationMs === "forever" && requests === undefined,
  result: fleetResult,
};

function dealAnew(spec: RunSpec, rest: readonly Dealt[], late: readonly Member[]): Dealt[] {
  for (const member of late) member.takenOver = member.spec.connections;
  const room = rest.reduce((sum, { ceiling }) => sum + ceiling.connections, 0);
  // Whatever the others cannot hold stays missing.
  const connections = Math.min(spec.connections, room);
  let short = spec.connections - connections;
  for (const member of late) {
    const untaken = Math.min(short, member.takenOver);
    member.takenOver -= untaken;
    short -= untaken;
    if (untaken > 0) member.untaken = whyNoMore(rest.map(fullHolder));
  }
  return deal(rest, { ...spec, connections });
}

/** An agent that has been given as many connections as it can hold. */
function fullHolder({ agent, ceiling }: Dealt): Holder {
  return { name: agent.name, ceiling, held: ceiling.connections, pool: undefined };
}

function snapshot(spec: RunSpec, members: readonly Member[], { isOver, ...times }: Progress): ConnectSnapshot {
  const seen = members.flatMap(({ snapshot: own, state }) =>
    own ? [state === "active" ? own : { ...own, open: 0, inFlight: 0, stage: "closed" as const }] : [],
  );
  const base = seen.length > 0 ? mergeSnapshots(seen) : emptySnapshot();
  const isUnheard = members.some(({ snapshot: own, state }) => state === "active" && own === undefined);
  // Until the hold of all begins, connections of a lost agent are still to be opened or given up.
  const isWaiting = base.stage === "hold" && times.leftMs === undefined && CLIENT_ROLE.holdMs(spec) !== undefined;
  const stage = isOver ? "closed" : isUnheard || isWaiting ? "ramp" : base.stage;
  return { ...base, stage, requested: spec.connections, requestedMessages: spec.requests, ...times };
}
