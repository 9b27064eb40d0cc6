// A fleet that serves: every agent listens, and the run lasts until it is stopped or its time is over.
import type { ServeSnapshot } from "../../../server/snapshot.js";
import type { ServerSpec } from "../../server-spec.js";
import { emptyServeSnapshot, mergeServeSnapshots } from "../../sums/snapshots.js";
import type { Dealt } from "../dealing/deal.js";
import type { Member } from "../member.js";
import { serverFleetResult } from "../result/server-result.js";
import type { ServerKind } from "./kind.js";
import type { FleetRole, Progress } from "./role.js";

export const SERVER_ROLE: FleetRole<ServerKind> = {
  kind: "serve",
  requested: () => undefined,
  target: ({ at }) => ({ at }),
  slice,
  // Connections come to where they were opened to, so nobody can take them over.
  dealAnew: (_, rest) => [...rest],
  redeal: async () => undefined,
  snapshot,
  isReady: () => true,
  stage: () => "serving",
  holdMs: ({ holdMs }) => holdMs,
  isOpenEnded: () => true,
  result: serverFleetResult,
};

/** The most connections of the fleet are divided among its agents. */
function slice(spec: ServerSpec, dealt: readonly Dealt[]): ServerSpec[] {
  return dealt.map(({ connections }) =>
    spec.maxConnections === undefined ? spec : { ...spec, maxConnections: connections },
  );
}

function snapshot(_: ServerSpec, members: readonly Member<ServerKind>[], { elapsedMs }: Progress): ServeSnapshot {
  const seen = members.flatMap(({ snapshot: own, state }) =>
    own ? [state === "active" ? own : { ...own, open: 0, isPaused: false }] : [],
  );
  return { ...(seen.length > 0 ? mergeServeSnapshots(seen) : emptyServeSnapshot()), elapsedMs };
}
