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

function sentLines({ messages, traffic }: ConnectResult): [string, string | undefined][] {
  if (messages === undefined) return olderLines(traffic);
  const { due, sent, missed, late, longestDelayMs, movedMs } = messages;
  const delay = late > 0 ? ` (longest ${formatDuration(longestDelayMs)})` : "";
  const counts = [`${formatCount(due)} due`, `${formatCount(sent)} sent`, ...answers(messages)];
  return [
    [
      messages.expected === "response" ? "requests" : "messages",
      [...counts, `${formatCount(late)} late${delay}`, `${formatCount(missed)} missed`].join(", "),
    ],
    ["answers", describeAnswers(messages)],
    [
      "schedule",
      movedMs > 0
        ? `shifted by ${formatDuration(movedMs)}: this process was not running; messages due then are late`
        : undefined,
    ],
  ];
}

/** Describes what subscribers received; undefined if nothing. */
function deliveryText({ deliveries, protocol }: ConnectResult): string | undefined {
  if (deliveries === undefined) return undefined;
  const { received, lost, repeated } = deliveries;
  if (protocol !== "mqtt") return `${plural(received, "message")} received unsolicited`;
  return `${formatCount(received)} received, ${formatCount(lost)} lost, ${formatCount(repeated)} repeated`;
}

/** Returns a caveat on the round-trip percentiles; undefined if every message was answered. */
export function unansweredNote({ messages }: ConnectResult): string | undefined {
  if (messages === undefined || messages.expected === "none") return undefined;
  const count = messages.unanswered + messages.missed;
  return count > 0
    ? `round trip: ${plural(count, "unanswered message")} ${count === 1 ? "is counted at the time it" : "are counted at the time they"} had waited when the run ended (shown as ≥)`
    : undefined;
}

/** Returns whether a round trip of `us` microseconds is a lower bound. */
export function isLowerBound({ messages }: ConnectResult, us: number): boolean {
  return messages?.youngestUnansweredUs !== undefined && us >= messages.youngestUnansweredUs;
}

function answers({ expected, answered, unanswered, inFlight }: MessageResult): string[] {
  if (expected === "none") return [];
  return [
    `${formatCount(answered)} answered`,
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

/** Formats results of older versions, which have only the counts. */
function olderLines({ sentMessages, answeredMessages, blockedMessages }: ConnectResult["traffic"]): [string, string][] {
  if (sentMessages === 0) return [];
  const blocked = blockedMessages > 0 ? `, ${formatCount(blockedMessages)} blocked` : "";
  return [["messages", `${formatCount(sentMessages)} sent, ${formatCount(answeredMessages)} answered${blocked}`]];
}
