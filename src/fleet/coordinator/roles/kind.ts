// Types of the two roles of a fleet: specs, counters and results.
import type { ConnectSnapshot } from "../../../client/snapshot.js";
import type { RunSpec } from "../../../planning/run-spec.js";
import type { ConnectResult } from "../../../results/connect.js";
import type { ServeResult } from "../../../results/serve.js";
import type { ServeSnapshot } from "../../../server/snapshot.js";
import type { ServerSpec } from "../../server-spec.js";

/** Types of a role: the spec of a run and of its parts, the agents' counters, and the result. */
export interface Kind {
  readonly spec: object;
  readonly snapshot: { readonly elapsedMs: number; readonly open: number };
  readonly result: ConnectResult | ServeResult;
  /** The part of the spec that the result is judged by, and that is kept with it. */
  readonly target: object;
}

/** A fleet that opens connections. */
export interface ClientKind extends Kind {
  readonly spec: RunSpec;
  readonly snapshot: ConnectSnapshot;
  readonly result: ConnectResult;
  readonly target: Pick<RunSpec, "connections" | "thresholds">;
}

/** A fleet that serves. */
export interface ServerKind extends Kind {
  readonly spec: ServerSpec;
  readonly snapshot: ServeSnapshot;
  readonly result: ServeResult;
  readonly target: Pick<ServerSpec, "at">;
}
