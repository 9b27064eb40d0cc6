// Statistics of a client's messages.
import { z } from "../util/zod.js";
import { count, microseconds, milliseconds, perSecond, type TypeOf } from "./fields.js";

export const messages = z
  .object({
    expected: z
      .enum(["echo", "any", "none", "until", "bytes", "response", "acknowledgement", "delivery", "handler"])
      .describe(
        "what counted as an answer: the same bytes, any bytes, nothing, bytes up to a delimiter, a number of bytes, an HTTP response, in MQTT the broker's acknowledgement or the message's own delivery, or what the handlers of a protocol of your own report",
      ),
    bytes: count,
    requested: count.optional().describe("number of messages requested over all connections; missing without a limit"),
    ratePerSec: perSecond
      .optional()
      .describe(
        "requested rate per connection; missing in a closed loop, in which a connection sends its next message as soon as the previous one is answered, so that round trips are measured from the sending and omit the delays of messages behind a slow answer",
      ),
    due: count.describe(
      "messages that became due while their connection was open; with a number of messages, all of them",
    ),
    sent: count,
    answered: count,
    unanswered: count.describe(
      "messages sent but not answered within a second of the last one being sent, or before their connection was lost",
    ),
    waitingConnections: count
      .optional()
      .describe(
        "number of connections that were open at the end and had messages unanswered, or due but not sent; missing in older results",
      ),
    inFlight: count.describe(
      "messages sent but not waited for: either more recent than the response time, which was nearly constant, or on a connection that the schedule closed",
    ),
    late: count.describe("messages sent more than a millisecond after they were due"),
    longestDelayMs: milliseconds,
    missed: count.describe("messages due but never completely sent"),
    blocked: count.describe("messages due while the kernel accepted no more bytes, because the peer did not read"),
    movedMs: milliseconds.describe(
      "delay of the schedule while the program was stalled; delayed messages are not sent in a burst, but count as late by this amount",
    ),
    youngestUnansweredUs: microseconds
      .optional()
      .describe(
        "age of the youngest unanswered message; round-trip percentiles above it are lower bounds, because unanswered messages count with the time they have waited",
      ),
    unsolicitedBytes: count.describe(
      "bytes received that are not part of an answer: greetings, push messages, surplus echoes",
    ),
    wrongBytes: count.describe("bytes received instead of an answer"),
  })
  .describe("due = sent + missed; sent = answered + unanswered + inFlight");
/** Statistics of a run's messages. */
export type MessageResult = TypeOf<typeof messages>;
