// What remains of a run and its members when it is over, as plain data: the result is made from nothing else.
import type { FleetReport } from "../../../results/fleet/fleet.js";
import { parseResult } from "../../../results/parse.js";
import { UNLIMITED } from "../../../util/bound.js";
import type { Announcement, Ceiling, Part, Prepared } from "../../messages.js";
import type { ClockOffset } from "../clock.js";
import type { ClientKind, Kind } from "../roles/kind.js";

/** A member of a run that is over. */
export interface Outcome<K extends Kind = ClientKind> {
  readonly agent: Announcement;
  readonly ceiling: Ceiling;
  readonly clock: ClockOffset;
  readonly requested: number;
  readonly takenOver: number;
  /** Why others did not take over all of its connections. */
  readonly untaken?: string | undefined;
  readonly state: FleetReport["agents"][number]["state"];
  readonly reason?: string | undefined;
  readonly lostAt?: string | undefined;
  /** Where an agent that serves listens. */
  readonly address?: Prepared["address"];
  /** Counters as of the last heartbeat. */
  readonly last?: K["snapshot"] | undefined;
  readonly result?: K["result"] | undefined;
}

/** What the result says about the run as a whole. */
export interface FleetFacts<K extends Kind = ClientKind> {
  readonly run: string;
  readonly onLost: FleetReport["onLost"];
  readonly spec: K["target"];
  /** When the agents were to start, by the coordinator's clock. */
  readonly startMs: number;
  /** Whether the run was ended before its time. */
  readonly wasStopped: boolean;
}

/**
 * Reads the result in a part.
 * @returns undefined if the agent was stopped before it started
 * @throws {AppError} E_OPTION if the result cannot be read
 */
export function readPart<K extends Kind>({ result }: Part, kind: K["result"]["kind"], name: string) {
  return result && (parseResult(result, [kind], `the result of agent ${name}`) as K["result"]);
}

/** Moves the start of a part to the coordinator's clock. */
export function onOurClock<R extends { readonly startedAt: string }>(result: R, { offsetMs }: ClockOffset): R {
  return { ...result, startedAt: new Date(Date.parse(result.startedAt) - offsetMs).toISOString() };
}

/** Returns what the results of both roles say about an agent, but for its failures. */
export function agentFieldsOf<K extends Kind>({ agent, ceiling, clock, state, reason, lostAt }: Outcome<K>) {
  const { id, name, version, cores, memoryBytes, addresses } = agent;
  return {
    ...{ id, name, version, cores, memoryBytes, addresses },
    ceiling: ceiling.connections >= UNLIMITED ? ("unlimited" as const) : ceiling.connections,
    limit: ceiling.limit,
    ...{ state, reason, lostAt },
    clockOffsetMs: toTenths(clock.offsetMs),
    roundTripMs: toTenths(clock.roundTripMs),
  };
}

function toTenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
