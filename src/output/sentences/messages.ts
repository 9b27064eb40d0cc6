// Describes the outcome of a run's messages for the summary and the page.
import type { ConnectResult } from "../../results/connect.js";
import type { MessageResult } from "../../results/messages.js";
import { formatBytes, formatCount, formatDuration, plural } from "../../util/units.js";

const COMPARED = {
  echo: "the same bytes",
  any: "any bytes",
  none: "none expected",
  until: "bytes up to the delimiter",
  bytes: "the expected number of bytes",
  response: "complete responses",
  acknowledgement: "acknowledged by the broker",
  handler: "reported by the protocol's handlers",
  delivery: "delivered to the connection that published them",
} as const;

/** Returns pairs of label and text; empty for a run without messages. */
export function messageLines(result: ConnectResult): [string, string | undefined][] {
  return [...sentLines(result), [result.protocol === "mqtt" ? "deliveries" : "pushed", deliveryText(result)]];
}

function sentLines({ messages, traffic, responses, rampMs, holdMs }: ConnectResult): [string, string | undefined][] {
  if (messages === undefined) return olderLines(traffic);
  const { due, sent, missed, late, longestDelayMs, movedMs } = messages;
  const delay = late > 0 ? ` (longest ${formatDuration(longestDelayMs)})` : "";
  const counts = [`${formatCount(due)} due`, `${formatCount(sent)} sent`, ...answers(messages, responses)];
  const noun = messages.expected === "response" ? "requests" : "messages";
  return [
    [noun, [...counts, `${formatCount(late)} late${delay}`, `${formatCount(missed)} missed`].join(", ")],
    ["answers", describeAnswers(messages)],
    ...closedLoopLines(messages, noun, rampMs + holdMs),
    [
      "schedule",
      movedMs > 0
        ? `shifted by ${formatDuration(movedMs)}, because this process was not running; messages due in that time are late`
        : undefined,
    ],
  ];
}

/** Describes a run in which each message followed the previous answer. */
function closedLoopLines({ ratePerSec, answered }: MessageResult, noun: string, ms: number): [string, string][] {
  if (ratePerSec !== undefined) return [];
  return [
    ["throughput", ms > 0 ? `${formatCount(Math.round((answered / ms) * 1000))} ${noun}/s` : "-"],
    [
      "closed loop",
      `each of the ${noun} was sent after the previous answer and timed from then on; use a rate (-r) to see the delays that this hides`,
    ],
  ];
}

/** Describes what subscribers received; undefined if they received nothing. */
function deliveryText({ deliveries, protocol }: ConnectResult): string | undefined {
  if (deliveries === undefined) return undefined;
  const { received, lost, undelivered = 0, repeated } = deliveries;
  if (protocol !== "mqtt") return `${plural(received, "message")} received unsolicited`;
  return [
    `${formatCount(received)} received`,
    lost === undefined
      ? "losses unknown, because a shared subscription divides the messages"
      : `${formatCount(lost)} lost`,
    ...(undelivered > 0 ? [`${formatCount(undelivered)} not delivered by the end`] : []),
    `${formatCount(repeated)} repeated`,
  ].join(", ");
}

/** Returns a caveat on the round-trip percentiles; undefined if every message was answered. */
export function unansweredNote({ messages }: ConnectResult): string | undefined {
  if (messages === undefined || messages.expected === "none") return undefined;
  const count = messages.unanswered + messages.missed;
  return count > 0
    ? `round trip: includes ${plural(count, "unanswered message")}, ${count === 1 ? "" : "each "}with the time it had waited when the run ended (shown as ≥)`
    : undefined;
}

/** Returns a caveat on latencies measured while the client did not run; undefined if there are none. */
export function standstillNote({ standstills, fleet }: ConnectResult): string | undefined {
  if (!standstills || standstills.latencies === 0) return undefined;
  return `${plural(standstills.latencies, "latency", "latencies")} above ${standstills.latencies === 1 ? "includes" : "include"} time in which ${fleet ? "an agent" : "this process"} did not run`;
}

/** Returns a caveat on the latencies of HTTP responses; undefined if no response was an error. */
export function errorNote({ messages, responses, failures }: ConnectResult): string | undefined {
  if (responses === undefined) return undefined;
  const refused = failures.filter(({ phase, errno }) => phase === "request" && errno.startsWith("HTTP "));
  const count = messages
    ? responses["4xx"] + responses["5xx"]
    : refused.reduce((sum, failure) => sum + failure.count, 0);
  if (count === 0) return undefined;
  return `${messages ? "round trip" : "first response"}: includes ${plural(count, "refusal")} (status 4xx or 5xx)`;
}

/** Returns whether a round trip of `us` microseconds is a lower bound. */
export function isLowerBound({ messages }: ConnectResult, us: number): boolean {
  return messages?.youngestUnansweredUs !== undefined && us >= messages.youngestUnansweredUs;
}

function answers(
  { expected, answered, unanswered, inFlight }: MessageResult,
  responses: ConnectResult["responses"],
): string[] {
  if (expected === "none") return [];
  const good =
    responses === undefined || responses["2xx"] >= answered ? "" : ` (${formatCount(responses["2xx"])} × 2xx)`;
  return [
    `${formatCount(answered)} answered${good}`,
    ...(unanswered > 0 ? [`${formatCount(unanswered)} unanswered`] : []),
    ...(inFlight > 0 ? [`${formatCount(inFlight)} still in flight`] : []),
  ];
}

function describeAnswers({ expected, wrongBytes, unsolicitedBytes, blocked }: MessageResult): string {
  return [
    COMPARED[expected],
    wrongBytes > 0 ? `${formatBytes(wrongBytes)} received instead of the expected answer` : undefined,
    unsolicitedBytes > 0 ? `${formatBytes(unsolicitedBytes)} received unsolicited` : undefined,
    blocked > 0 ? `${formatCount(blocked)} messages waited for the peer to read` : undefined,
  ]
    .filter((part) => part !== undefined)
    .join("; ");
}

/** Formats the results of older versions, which contain only the counts. */
function olderLines({ sentMessages, answeredMessages, blockedMessages }: ConnectResult["traffic"]): [string, string][] {
  if (sentMessages === 0) return [];
  const blocked = blockedMessages > 0 ? `, ${formatCount(blockedMessages)} blocked` : "";
  return [["messages", `${formatCount(sentMessages)} sent, ${formatCount(answeredMessages)} answered${blocked}`]];
}
