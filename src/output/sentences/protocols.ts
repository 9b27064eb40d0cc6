// Phrases for what a protocol adds to a run, shared by the terminal and the pages.
import type { ConnectResult } from "../../results/connect.js";
import type { ServeResult } from "../../results/serve.js";
import { formatCount, plural } from "../../util/units.js";

type Protocol = NonNullable<ConnectResult["protocol"]>;

/** Phrase for how a connection becomes ready, by protocol. */
const READY_WORDS: Readonly<Record<Exclude<Protocol, "tcp">, string>> = {
  ws: "upgraded to WebSocket",
  http: "first request answered",
  mqtt: "accepted by CONNACK",
  scripted: "reported by the protocol's handlers",
};

/** Name of the step between ESTABLISHED and ready. */
export const HANDSHAKE_WORDS: Readonly<Record<Protocol, string>> = {
  tcp: "first answer",
  ws: "upgrade",
  http: "first response",
  mqtt: "CONNACK",
  scripted: "setup",
};

/** Returns how many connections are ready; undefined for plain TCP without an opening, where every connection is. */
export function readyText(
  result: Pick<ConnectResult, "protocol" | "ready"> & { latency?: Pick<ConnectResult["latency"], "handshake"> },
): string | undefined {
  const { protocol, ready, latency } = result;
  if (protocol === undefined || ready === undefined) return undefined;
  if (protocol === "tcp") return latency?.handshake && `${formatCount(ready)} (answered by the server)`;
  return `${formatCount(ready)} (${READY_WORDS[protocol]})`;
}

/** Describes the heartbeats; undefined for a run without heartbeats. */
export function heartbeatLine({
  heartbeats,
  protocol,
}: Pick<ConnectResult, "heartbeats" | "protocol">): string | undefined {
  if (heartbeats === undefined || heartbeats.sent + (heartbeats.received ?? 0) === 0) return undefined;
  if (protocol === "http") return `${plural(heartbeats.sent, "event")} sent`;
  const { sent, answered, received = 0 } = heartbeats;
  return [
    ...(sent > 0 ? [`${plural(sent, "ping")} sent, ${formatCount(answered)} answered`] : []),
    ...(received > 0 ? [`${plural(received, "ping")} from the peer answered`] : []),
  ].join("; ");
}

/** Returns how often the server closed pooled connections, which were then reopened; undefined if it closed none. */
export function reopenedText({
  reopened,
  established,
  messages,
}: Pick<ConnectResult, "reopened" | "established" | "messages">): string | undefined {
  if (reopened === undefined) return undefined;
  const { announced, idle, failed, cutShort = 0, repeated = 0, unrepeated = 0 } = reopened;
  const count = announced + idle + cutShort;
  if (count + failed === 0) return undefined;
  const causes = [
    ...(announced > 0 ? [`${formatCount(announced)} after an announced close (Connection: close)`] : []),
    ...(idle > 0 ? [`${formatCount(idle)} closed while idle`] : []),
    ...(cutShort > 0 ? [`${formatCount(cutShort)} cut short in a response`] : []),
    ...(failed > 0 ? [`${formatCount(failed)} could not be reopened`] : []),
  ];
  const each = Math.round((messages?.answered ?? 0) / (established + count));
  const mean = count > 0 ? `; ${plural(each, "request")} per connection on average` : "";
  const again = repeated > 0 ? `; ${plural(repeated, "request")} sent again` : "";
  const never = unrepeated > 0 ? `; ${plural(unrepeated, "request")} not sent again` : "";
  return `${formatCount(count)}: ${causes.join(", ")}${mean}${again}${never}`;
}

/** Describes the PROXY protocol headers; undefined without --proxy-protocol. */
export function proxyProtocolLine({ proxyProtocol }: ServeResult): string | undefined {
  if (!proxyProtocol) return undefined;
  const { v1, v2, withoutClient } = proxyProtocol;
  const versions = [...(v1 > 0 ? [`${formatCount(v1)} × v1`] : []), ...(v2 > 0 ? [`${formatCount(v2)} × v2`] : [])];
  const without = withoutClient > 0 ? `; ${formatCount(withoutClient)} without a client address` : "";
  return `${versions.join(", ") || "0"}${without}`;
}

/** Returns undefined without TLS. */
export function tlsLine({ tls }: Pick<ConnectResult, "tls">): string | undefined {
  if (!tls) return undefined;
  const { secured, resumed, unannounced = 0 } = tls;
  const kinds = resumed > 0 ? `: ${formatCount(secured - resumed)} full, ${formatCount(resumed)} resumed` : "";
  const ends = unannounced > 0 ? `; ${formatCount(unannounced)} ended by the peer without close_notify` : "";
  return `${plural(secured, "handshake")}${kinds}${ends}`;
}

/** Returns the HTTP responses by class of status; undefined without HTTP. */
export function responsesText({
  responses,
}: Pick<ConnectResult, "responses"> | Pick<ServeResult, "responses">): string | undefined {
  if (!responses) return undefined;
  const classes = (["1xx", "2xx", "3xx", "4xx", "5xx"] as const).filter((name) => responses[name] > 0);
  const counts = classes.map((name) => `${formatCount(responses[name])} × ${name}`).join(", ") || "0";
  const statuses = "statuses" in responses ? responses.statuses : [];
  if (statuses.length === 0) return counts;
  return `${counts} (${statuses.map(({ errno, count }) => `${formatCount(count)} × ${errno}`).join(", ")})`;
}
