// Describes whether a client's run met its target: the outcome, the reasons why it was missed, and thresholds set by
// the caller.
import { z } from "../util/zod.js";
import { count, milliseconds, perSecond, type TypeOf } from "./fields.js";
import { MISS_KINDS } from "./identifiers.js";

export const miss = z.object({
  kind: z
    .enum(MISS_KINDS)
    .describe(
      "established: requested connections that never became ESTABLISHED, or with stages, those short of the peak; unready: ESTABLISHED but never ready in the protocol; lost: ended by the peer or the network while open; unreopened: closed by the server and not reopened, because that failed; half-open: ESTABLISHED at this end only, because the server's accept queue overflowed; unaccepted: in the server's accept queue, not accepted by its program; ungreeted: not greeted by a server that greeted others, or although they were to close after their greeting; unsent: messages that were due but never sent; unanswered: messages that were sent but not answered; undelivered: published messages that a subscriber never received, although later ones arrived; errors: HTTP responses with status 4xx or 5xx over ready connections; handler-errors: calls of the protocol file's handlers that threw, whatever the thresholds; failures, rate, latency: a threshold was exceeded, with the number of connections failed or lost, connections per second, or milliseconds at the 99th percentile",
    ),
  count,
  of: count.describe(
    "total that the count is part of; for handler-errors, number of connections ESTABLISHED; for a threshold, its value",
  ),
});
/** A reason why a run missed its target. */
export type Miss = TypeOf<typeof miss>;
export type MissKind = Miss["kind"];

export const thresholds = z.object({
  maxP99Ms: milliseconds
    .optional()
    .describe("99th percentile of the round-trip time; without messages, of the connect latency"),
  minRatePerSec: perSecond.optional().describe("minimum rate of ESTABLISHED connections per second during the ramp"),
  maxFailed: count.optional().describe("number of connections that may fail or be lost without missing the target"),
});
/** Thresholds set by the caller. */
export type Thresholds = TypeOf<typeof thresholds>;

export const outcome = z.enum(["met", "missed", "interrupted"]);
/**
 * `interrupted` means that the run was stopped before its natural end. A hold without a limit that is stopped counts
 * as met if nothing is missing.
 */
export type Outcome = TypeOf<typeof outcome>;
