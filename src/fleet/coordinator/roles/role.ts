// What differs between a fleet that connects and one that serves: how a run is divided, counted, ended and reported.
import type { Explained } from "../../../results/diagnosis.js";
import type { Bus } from "../../bus.js";
import type { Dealt } from "../dealing/deal.js";
import type { Share } from "../dealing/slice.js";
import type { Member } from "../member.js";
import type { FleetFacts, Outcome } from "../result/outcome.js";
import type { Kind } from "./kind.js";

/** Where a run stands, for its snapshot. */
export interface Progress {
  readonly elapsedMs: number;
  /** Time until the hold ends; undefined before it, or if it has no end. */
  readonly leftMs: number | undefined;
  readonly isOver: boolean;
}

/** A loss in the course of a run, which goes on: what changes is read when it is needed. */
export interface Loss<K extends Kind> {
  readonly run: string;
  readonly spec: K["spec"];
  readonly lost: Member<K>;
  /** Agents that are still part of the run. */
  others(): readonly Member<K>[];
  elapsedMs(): number;
  /** Whether the run is ending, so that nothing more is opened. */
  isEnding(): boolean;
  /** To be called when others have taken over connections. */
  onTaken(): void;
}

export interface FleetRole<K extends Kind> {
  readonly kind: "connect" | "serve";
  /** Number of connections requested of the whole fleet; undefined if it is not for the fleet to say. */
  requested(spec: K["spec"]): number | undefined;
  target(spec: K["spec"]): K["target"];
  /** @param dealt with the addresses of an agent that are not all for its first load, and its clock */
  slice(spec: K["spec"], dealt: readonly (Dealt & Pick<Share, "sources" | "clockOffsetMs">)[]): K["spec"][];
  /** Deals the shares of agents that were not ready in time to the others. */
  dealAnew(spec: K["spec"], rest: readonly Dealt[], late: readonly Member<K>[]): Dealt[];
  /** Gives the share of a lost agent to the others. */
  redeal(bus: Bus, loss: Loss<K>): Promise<void>;
  /** Adds up the counters of all agents; those of lost agents as of their last heartbeat. */
  snapshot(spec: K["spec"], members: readonly Member<K>[], progress: Progress): K["snapshot"];
  /** Whether the ramp has ended, for the snapshot of an agent or of the whole run. */
  isReady(snapshot: K["snapshot"]): boolean;
  /** Stage of a run in progress, in one word. */
  stage(snapshot: K["snapshot"]): string;
  /** Time from the moment when all agents are ready to the end; undefined if the run ends otherwise. */
  holdMs(spec: K["spec"]): number | undefined;
  /** Whether a run that is ready lasts until somebody ends it. */
  isOpenEnded(spec: K["spec"]): boolean;
  /** @returns the result; undefined if no agent has delivered its part */
  result(facts: FleetFacts<K>, outcomes: readonly Outcome<K>[]): Explained<K["result"]> | undefined;
}
