// Formats a server's run as text: its first line, its progress and its summary.

import type { Explained } from "../../results/diagnosis.js";
import type { ServeResult } from "../../results/serve.js";
import type { ServeSnapshot } from "../../server/snapshot.js";
import type { ServerIdentity } from "../../transport/tls/identity.js";
import { formatBound } from "../../util/bound.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { printable, printableData } from "../../util/printable.js";
import { formatBytes, formatCount, formatDuration, plural } from "../../util/units.js";
import { describePackets } from "../sentences/packets.js";
import { heartbeatLine, proxyProtocolLine, readyText, responsesText, tlsLine } from "../sentences/protocols.js";
import { describeEngine, describeFailures, describeOverflows, describeTraffic, userMemory } from "../sentences/run.js";
import { scriptLines } from "../sentences/script.js";
import { type Paint, plain } from "../terminal/paint.js";
import { alignLabels } from "../terminal/table.js";
import { diagnosisLines } from "./diagnosis.js";
import { serverFleetLines } from "./fleet-servers.js";

export function listeningLine({ ip, lastIp, port }: ServeResult["address"]): string {
  return printable(`listening on ${formatEndpoint(lastIp === undefined ? ip : `${ip}-${lastIp}`, port)}`);
}

/** Describes the server's certificate, so that users can recognize it. */
export function certificateLine({
  fingerprint,
  isSelfSigned,
}: Pick<ServerIdentity, "fingerprint" | "isSelfSigned">): string {
  return `${isSelfSigned ? "self-signed certificate" : "certificate"}, SHA-256 ${fingerprint}`;
}

export function clientLine({ ip, port }: { readonly ip: string; readonly port: number }): string {
  return printable(`client address ${formatEndpoint(ip, port)}`);
}

export const NOT_PRINTED = "further client addresses are not printed (use --log all)";

/** Default of net.core.somaxconn since Linux 5.4. */
const USUAL_SOMAXCONN = 4096;

/**
 * Returns the note for an accept queue shorter than requested.
 *
 * @param requested undefined if the default applies, for which the usual length of a queue is enough
 * @returns undefined if it is long enough
 */
export function backlogNote(requested: number | undefined, inForce: number): string | undefined {
  const wanted = requested ?? USUAL_SOMAXCONN;
  if (inForce >= wanted) return undefined;
  return [
    `note: the backlog is ${formatCount(inForce)}, not ${formatCount(wanted)}: capped by net.core.somaxconn`,
    `  fix: sysctl -w net.core.somaxconn=${wanted}, or use --backlog ${inForce}`,
  ].join("\n");
}

/**
 * Returns one line of current figures.
 * @param ratePerSec accepted connections per second
 */
export function serveProgress(snapshot: ServeSnapshot, ratePerSec: number, paint: Paint = plain): string {
  const parts = [
    `open ${paint("bold", formatCount(snapshot.open))}`,
    `accepted ${formatCount(snapshot.accepted)} (${formatCount(ratePerSec)}/s)`,
    `sent ${formatBytes(snapshot.sentBytes)}`,
    `received ${formatBytes(snapshot.receivedBytes)}`,
  ];
  if (snapshot.rejected > 0) parts.push(`rejected ${formatCount(snapshot.rejected)}`);
  if (snapshot.isPaused) parts.push(paint("bad", "paused: memory, open files or epoll watches are low"));
  return parts.join("   ");
}

/** Returns whether two snapshots would print the same, apart from the rate. */
export function isSameMoment(a: ServeSnapshot, b: ServeSnapshot): boolean {
  const keys = ["open", "accepted", "closed", "rejected", "sentBytes", "receivedBytes", "isPaused"] as const;
  return keys.every((key) => a[key] === b[key]);
}

/** Returns the number of connections whose client is known: with the PROXY protocol, those with a header. */
export function namedClients({ accepted, proxyProtocol }: Pick<ServeResult, "accepted" | "proxyProtocol">): number {
  return proxyProtocol ? proxyProtocol.v1 + proxyProtocol.v2 : accepted;
}

/**
 * @param printed number of client addresses printed; undefined if no addresses were requested
 */
export function serveSummary(of: Explained<ServeResult>, printed: number | undefined, paint: Paint = plain): string {
  const result = printableData(of);
  const why = diagnosisLines(result.diagnosis, paint);
  const { failures, backlog, peakOpen } = result;
  const userBytes = userMemory(result, peakOpen);
  const unprinted = printed === undefined ? 0 : namedClients(result) - printed;
  return [
    paint("bold", `stopped after ${formatDuration(result.elapsedMs)}`),
    "",
    ...alignLabels(
      [
        ["accepted", formatCount(result.accepted)],
        ["ready", readyText(result)],
        [
          "not printed",
          unprinted > 0 ? `${plural(unprinted, "more client address", "more client addresses")}` : undefined,
        ],
        ["PROXY headers", proxyProtocolLine(result)],
        ["TLS", tlsLine(result)],
        ["peak open", formatCount(peakOpen)],
        ["open at stop", `${formatCount(result.openAtStop)}${result.openAtStop > 0 ? ", now closed" : ""}`],
        ["kernel", describeKernel(result)],
        ["rejected", result.rejected > 0 ? `${formatCount(result.rejected)} above --max-connections` : "0"],
        ["bytes", describeTraffic(result)],
        ["responses", responsesText(result)],
        [result.protocol === "http" ? "events" : "heartbeats", heartbeatLine(result)],
        ...scriptLines(result),
        ["failures", failures.length === 0 ? "0" : describeFailures(failures)],
        ["backlog", describeBacklog(backlog)],
        ["memory", userBytes && `${userBytes} of user memory (RSS) per connection`],
        ["engine", describeEngine(result)],
        ["packets", describePackets(result.packets)],
        ["table full", result.tableFull > 0 ? describeTableFull(result) : undefined],
      ],
      "  ",
    ),
    ...(result.fleet ? ["", ...serverFleetLines(result.fleet)] : []),
    ...(why.length > 0 ? ["", ...why] : []),
  ].join("\n");
}

function describeKernel({ kernel, openAtStop }: ServeResult): string | undefined {
  if (!kernel || (kernel.sockets === 0 && openAtStop === 0)) return undefined;
  return `${plural(kernel.sockets, "ESTABLISHED socket")} on this port when it stopped (${kernel.source})`;
}

function describeBacklog(backlog: ServeResult["backlog"]): string {
  return `length ${formatCount(backlog.length)}; ${describeOverflows(backlog)} (whole host)`;
}

function describeTableFull({ tableFull, nofileLimit }: ServeResult): string {
  return `${plural(tableFull, "time")}: a thread reached the limit of ${formatBound(nofileLimit)} open files (ulimit -n)`;
}
