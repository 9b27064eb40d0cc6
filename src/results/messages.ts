// What became of a client's messages.
import { z } from "../util/zod.js";
import { count, microseconds, milliseconds, perSecond, type TypeOf } from "./fields.js";

export const messages = z
  .object({
    expected: z
      .enum(["echo", "any", "none"])
      .describe("what was compared: the same bytes to the last one, whatever came, nothing"),
    bytes: count,
    ratePerSec: perSecond.describe("asked for, per connection"),
    due: count.describe("whose moment came while their connection was open"),
    sent: count,
    answered: count,
    unanswered: count.describe(
      "sent and not answered a second after the last one was sent, or when their connection was lost",
    ),
    inFlight: count.describe(
      "sent and not waited for: younger than what the answers took, which was always about the same, or the schedule closed their connection",
    ),
    late: count.describe("sent more than a millisecond after they were due"),
    longestDelayMs: milliseconds,
    missed: count.describe("due and never sent to their end"),
    blocked: count.describe("due while the kernel took no more bytes of their connection: its peer did not read"),
    movedMs: milliseconds.describe(
      "by which standstills of the program have moved the schedule: what they delayed is not caught up, but late by that",
    ),
    youngestUnansweredUs: microseconds
      .optional()
      .describe(
        "from here on the percentiles of the round trip are lower bounds: what is unanswered counts as late as it was",
      ),
    unaskedBytes: count.describe("received, and no message asked for them: greetings, pushes, echoes too many"),
    wrongBytes: count.describe("received instead of an answer"),
  })
  .describe("due = sent + missed; sent = answered + unanswered + inFlight");
/** What became of a run's messages. */
export type MessageResult = TypeOf<typeof messages>;
