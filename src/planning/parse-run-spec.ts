// Builds a RunSpec from the options of a call or a command line: fills in defaults and checks everything that can be
// checked without accessing the host.
import { isUtf8 } from "node:buffer";
import { PROXY_VERSIONS } from "../protocols/proxy-protocol/format.js";
import type { LoadedScript } from "../protocols/scripted/file/load.js";
import { parseAddress } from "../protocols/spec/address.js";
import { HANDSHAKE_TIMEOUT_MS, protocolSpec } from "../protocols/spec/options.js";
import type { ProtocolSpec } from "../protocols/spec/spec.js";
import { ENGINE_CHOICES, TRANSPORTS } from "../results/identifiers.js";
import { formatIp, isIp, splitZone, unmapIp } from "../util/address.js";
import { parseAddressRanges } from "../util/address-range.js";
import { type PortRange, parsePorts } from "../util/endpoint.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";
import { formatCount, parseCount } from "../util/units.js";
import { closeModeFor } from "./close-mode.js";
import type { ConnectOptions, SourceOption, SourcePortOption } from "./connect-options.js";
import {
  awaitsPeer,
  checkRequests,
  findStreamOption,
  parseMessages,
  parsePublication,
  parseRequests,
  parseScripted,
  speaksHttp,
} from "./messages.js";
import { checkDelayedAck, checkPacketOptions } from "./packet/plan.js";
import type { DestinationSpec, MessageSpec, OpeningSpec, RunSpec, SourceSpec } from "./run-spec.js";
import { clientTls } from "./tls.js";

/** Default number of handshakes in flight. */
export const CONCURRENCY = 1024;
const CONNECT_TIMEOUT_MS = 10_000;
export const HOLD_MS = 10_000;
const NO_MESSAGES = { message: undefined, opening: undefined };
const FAMILIES: readonly unknown[] = [undefined, 4, 6];
const RESOLVES: readonly unknown[] = [undefined, "all", "first"];
const CLOSES: readonly unknown[] = [undefined, "rst", "fin"];

/**
 * @param script the loaded file of `protocol`
 * @throws {AppError} E_OPTION when an option is invalid or conflicts with another; E_ADDRESS when an address is invalid
 */
export function parseRunSpec(options: ConnectOptions, script?: LoadedScript): RunSpec {
  const stages = options.stages ?? [];
  checkLoad(options);
  checkChoices(options);
  const connections = stages.length > 0 ? Math.max(...stages.map(({ target }) => target)) : (options.connections ?? 1);
  if (connections < 1) throw invalid("no stage has any connections", "give a stage a target, such as --stage 30s:10k");
  checkExchange(options);
  const destinations = parseDestinations(options.to);
  const { message, opening } = script || speaksHttp(options.to) ? NO_MESSAGES : parseMessages(options);
  const spoken = parseProtocol(options, script, opening);
  const { requests } = options;
  const ownMessage = parseMessage(options, spoken.protocol);
  // Scheduled requests and publications count as a load, even over a single connection.
  const isSingle = stages.length === 0 && connections === 1 && ownMessage === undefined && requests === undefined;
  const { durationMs = isSingle || requests !== undefined ? Number.POSITIVE_INFINITY : HOLD_MS } = options;
  const sent = ownMessage ?? message;
  const isHttp = spoken.protocol?.name === "http";
  checkRequests(options, connections, sent, isHttp);
  if (options.transport === "packet") checkPacketOptions(options);
  checkDelayedAck(options);
  return {
    destinations,
    ...spoken,
    resolve: options.resolve ?? "all",
    family: options.family,
    connections,
    sources: parseSources(options.sources),
    sourcePorts: parseSourcePorts(options.sourcePorts),
    isSingle,
    connectRatePerSec: options.connectRatePerSec,
    stages: stages.length > 0 ? stages : undefined,
    concurrency: options.concurrency ?? CONCURRENCY,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    durationMs: durationMs === Number.POSITIVE_INFINITY ? "forever" : durationMs,
    message: sent,
    requests,
    reopens: isHttp && sent !== undefined && options.reopen !== false,
    opening,
    proxyProtocol: options.proxyProtocol,
    thresholds: {
      maxP99Ms: options.maxP99Ms,
      minRatePerSec: options.minRatePerSec,
      maxFailed: allowedFailures(options.maxFailed, connections),
    },
    close: options.close ?? closeModeFor(connections),
    closeAfterGreeting: options.closeAfterGreeting ?? false,
    oneTable: options.oneTable ?? false,
    engine: options.engine ?? "auto",
    transport: options.transport ?? "kernel",
    delayedAck: options.delayedAck,
    authorized: options.authorized ?? false,
  };
}

/**
 * Parses destinations: `host:port`, `[::1]:7777`, `host:7777-7786` or `:7777`, with or without a scheme.
 * @throws {AppError} E_OPTION if there is no destination, E_ADDRESS if one is invalid
 */
export function parseDestinations(to: string | readonly string[]): DestinationSpec[] {
  const texts = typeof to === "string" ? [to] : to;
  if (texts.length === 0) throw invalid("no destination given", "name one, such as 127.0.0.1:7777");
  return texts.map((text) => {
    const { host, ports } = parseAddress(text);
    const { bare, zone } = splitZone(host);
    // Only IPv6 addresses have a zone.
    return zone !== undefined && bare.includes(":") ? { host: bare, zone, ports } : { host, ports };
  });
}

/** Returns the message of a protocol that generates its messages: an HTTP request, or what MQTT publishes. */
function parseMessage(options: ConnectOptions, spec: ProtocolSpec | undefined): MessageSpec | undefined {
  if (spec?.name === "http") return parseRequests(spec, options);
  if (spec?.name === "scripted") return parseScripted(spec, options);
  return spec?.name === "mqtt" ? parsePublication(options, spec) : undefined;
}

/** Returns whether there is more than one connection. */
function isLoad({ connections = 1, stages = [] }: ConnectOptions): boolean {
  return connections > 1 || stages.length > 0;
}

/**
 * All connections send the same request, so they cannot name several hosts.
 * @throws {AppError} E_OPTION for several host names, unless the headers have a Host
 */
function checkNames(destinations: readonly { readonly host: string }[], headers: readonly string[]): void {
  const names = [...new Set(destinations.map(({ host }) => host).filter((host) => !isIp(host)))];
  if (names.length < 2 || headers.some((header) => /^host *:/i.test(header))) return;
  throw invalid(
    `all requests of a run have the same Host, but the destinations have several names: ${names.map(quoted).join(", ")}`,
    "start one run for each name, or set the Host of all requests with -H 'Host: …'",
  );
}

/**
 * Parses the protocol and TLS options.
 * @throws {AppError} E_ADDRESS, E_OPTION
 */
function parseProtocol(
  options: ConnectOptions,
  script: LoadedScript | undefined,
  opening?: OpeningSpec,
): Pick<RunSpec, "protocol" | "tls"> {
  const [first, ...others] = (typeof options.to === "string" ? [options.to] : options.to).map((text) =>
    parseAddress(text),
  );
  if (others.some(({ scheme, path }) => scheme !== first!.scheme || path !== first!.path)) {
    throw invalid("the destinations differ in scheme or path", "use the same scheme and path, or one run for each");
  }
  const spec = protocolSpec(first!, options, {
    hasOpening: awaitsPeer(opening),
    script: script && { script, side: "client" },
  });
  if (spec?.name === "http" || spec?.name === "ws") checkNames([first!, ...others], spec.headers);
  const streamOption = spec?.name === "ws" ? findStreamOption(options) : undefined;
  if (streamOption !== undefined) {
    throw invalid(
      `${streamOption} requires plain TCP or TLS`,
      `omit ${streamOption}, or use an address with tcp:// or tls://`,
    );
  }
  if (spec && options.closeAfterGreeting) {
    throw invalid("--close-after-greeting works only with plain TCP", "omit the scheme");
  }
  const { message } = options;
  if (spec?.name === "ws" && !spec.isBinary && message !== undefined && !isUtf8(Buffer.from(message))) {
    throw invalid(
      "the message is not valid UTF-8, which text messages require",
      "send it as a binary message: --binary",
    );
  }
  if (spec?.name === "mqtt" && isLoad(options) && !spec.clientId.includes("%i")) {
    throw invalid(
      "all connections have the same client id, so each would take over the previous connection's session",
      `put the connection's number into it: --client-id ${quoted(`${spec.clientId}-%i`)}`,
    );
  }
  return { protocol: spec, tls: clientTls(first!, options) };
}

/** @throws {AppError} E_ADDRESS */
export function parseSources(sources: SourceOption | undefined): readonly SourceSpec[] | undefined {
  if (sources === undefined) return undefined;
  const list = typeof sources === "string" ? [sources] : sources;
  return list
    .flatMap((each) => (typeof each === "string" ? parseAddressRanges(each) : [each]))
    .map(({ first, count }) => ({ first: formatIp(unmapIp(first)), count }));
}

/** @throws {AppError} E_ADDRESS */
export function parseSourcePorts(ports: SourcePortOption | undefined): PortRange | "kernel" | undefined {
  if (ports === undefined || ports === "kernel") return ports;
  return parsePorts(typeof ports === "string" ? ports : `${ports.first}-${ports.last}`);
}

/**
 * Parses a count such as 10 or 1k, or a percentage of all connections such as 1%.
 * @throws {AppError} E_OPTION
 */
export function allowedFailures(given: number | string | undefined, requested: number): number | undefined {
  if (given === undefined) return undefined;
  const percent = Number(/^\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(String(given))?.[1] ?? Number.NaN);
  if (percent <= 100) return Math.floor((requested * percent) / 100 + 1e-9);
  if (typeof given === "number" ? Number.isInteger(given) && given >= 0 : !given.includes("%")) {
    return typeof given === "number" ? given : parseCount(given, "--max-failed", 0);
  }
  throw invalid(
    `invalid limit on failures: ${JSON.stringify(given)}`,
    "use a whole number such as 10, or a share of the connections such as 1%",
  );
}

/** @throws {AppError} E_OPTION unless the value is above 0 */
export function checkPositive(name: string, value: number | undefined, isWhole = false): void {
  if (value === undefined || (value > 0 && value < 2 ** 31 && (!isWhole || Number.isInteger(value)))) return;
  throw invalid(
    `invalid ${name}: ${value}`,
    `use ${isWhole ? "a whole number" : "a number"} above 0 and below ${formatCount(2 ** 31)}`,
  );
}

/** Checks the number of connections, rates and durations. */
function checkLoad(options: ConnectOptions): void {
  const { stages = [], durationMs = 0 } = options;
  if (stages.length > 0 && (options.connections !== undefined || options.connectRatePerSec !== undefined)) {
    throw invalid(
      "stages cannot be combined with a number of connections or a connect rate",
      "omit --stage, or -c and --connect-rate",
    );
  }
  checkPositive("connections", options.connections, true);
  checkPositive("connect rate", options.connectRatePerSec);
  checkPositive("concurrency", options.concurrency, true);
  checkPositive("connect timeout", options.connectTimeoutMs);
  checkPositive("message rate", options.messageRatePerSec);
  checkPositive("number of messages", options.requests, true);
  checkPositive("a 99th percentile", options.maxP99Ms);
  checkPositive("a rate", options.minRatePerSec);
  for (const stage of stages) {
    checkPositive("a stage's duration", stage.durationMs ?? Number.NaN);
    // A stage may end at zero connections.
    if (stage.target !== 0) checkPositive("a stage's target", stage.target ?? Number.NaN, true);
  }
  if (!(durationMs >= 0)) throw invalid(`invalid duration: ${durationMs} ms`, "use 0 or more");
}

function checkChoices({ resolve, family, close, engine, transport, oneTable }: ConnectOptions): void {
  if (!RESOLVES.includes(resolve)) throw invalid(`unknown resolve: ${quoted(`${resolve}`)}`, "use first or all");
  if (!FAMILIES.includes(family)) throw invalid(`unknown address family: ${family}`, "use 4 or 6");
  if (!CLOSES.includes(close)) throw invalid(`unknown close mode: ${quoted(`${close}`)}`, "use rst or fin");
  if (engine !== undefined && !ENGINE_CHOICES.includes(engine)) {
    throw invalid(`unknown engine: ${quoted(`${engine}`)}`, `use ${ENGINE_CHOICES.join(", ")}`);
  }
  if (transport !== undefined && !TRANSPORTS.includes(transport)) {
    throw invalid(`unknown transport: ${quoted(`${transport}`)}`, `use ${TRANSPORTS.join(" or ")}`);
  }
  if (engine === "uring" && oneTable) {
    throw invalid("--one-table has no effect with the uring engine", "omit --one-table, or --engine");
  }
}

/** Rejects mutually exclusive options. */
function checkExchange(options: ConnectOptions): void {
  const { message, proxyProtocol, closeAfterGreeting, stages = [] } = options;
  if (proxyProtocol !== undefined && !PROXY_VERSIONS.includes(proxyProtocol)) {
    throw invalid(`unknown PROXY protocol version: ${JSON.stringify(proxyProtocol)}`, "use v1 or v2");
  }
  if (closeAfterGreeting && (message !== undefined || stages.length > 0)) {
    throw invalid(
      "--close-after-greeting cannot be combined with messages or stages",
      "omit --message and --stage, or --close-after-greeting",
    );
  }
  if (closeAfterGreeting && (options.firstMessage !== undefined || options.awaitGreeting)) {
    throw invalid(
      "--close-after-greeting cannot be combined with --first-message or --await-greeting",
      "omit --close-after-greeting, or the other two options",
    );
  }
}

function invalid(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
