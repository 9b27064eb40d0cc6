// Serves metrics over HTTP: /metrics, /healthz and a page that links to both. Concurrent scrapes share one
// collection.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { openListener } from "../../server/listening/listener.js";
import { isLoopback, parseIp } from "../../util/address.js";
import { formatEndpoint, parseHostPorts } from "../../util/endpoint.js";
import { AppError } from "../../util/errors.js";
import { printable } from "../../util/printable.js";
import { refusalOf } from "../http/refusal.js";
import { CONTENT_TYPES, exposition } from "./exposition.js";
import type { Family } from "./families.js";

const BACKLOG = 128;
/** Maximum number of clients at the same time. Further connections are closed at once. */
const MOST_CLIENTS = 64;
const LONGEST_HEAD_BYTES = 8192;
const REQUEST_MS = 5000;
/**
 * Maximum silence of a client while it sends its request or reads the response; longer than any collection may
 * take.
 */
const IDLE_MS = 60_000;
const CHECK_MS = 1000;
/** Time that a scrape waits for its collection unless Prometheus states a limit of its own. */
const SCRAPE_MS = 10_000;
const LONGEST_SCRAPE_MS = 50_000;
/** Time to finish the responses in progress when the server closes. */
const GRACE_MS = 200;
/** Safety margin: the response is sent this long before Prometheus would give up. */
const LEAD_MS = 500;

/** Reads the current values. */
export type Collect = () => Promise<readonly Family[]> | readonly Family[];

export interface MetricsServer {
  readonly ip: string;
  readonly port: number;
  /** URL of the metrics. */
  readonly url: string;
  /** Stops listening, finishes the responses in progress, and closes all connections after a moment. */
  close(): Promise<void>;
}

/**
 * Starts to serve metrics.
 *
 * @param listen `127.0.0.1:9477`, `[::1]:9477`, `:9477` or `9477`; with port 0, the kernel picks a free one
 * @param collect called for a scrape unless a collection is in progress
 * @throws {AppError} E_ADDRESS, E_RESOLVE, E_PORT_IN_USE, E_PERMISSION or E_LISTEN
 */
export async function serveMetrics(listen: string, collect: Collect): Promise<MetricsServer> {
  const { fd, ip, port } = await openListener(parseHostPorts(listen, { anyPort: true }), BACKLOG);
  const answer = answerWith(collect, isLoopback(parseIp(ip)));
  const server = createServer(
    {
      maxHeaderSize: LONGEST_HEAD_BYTES,
      headersTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: CHECK_MS,
    },
    (request, response) => void answer(request, response),
  );
  server.maxConnections = MOST_CLIENTS;
  server.setTimeout(IDLE_MS);
  await listening(server, fd);
  return { ip, port, url: `http://${formatEndpoint(ip, port)}/metrics`, close: () => closed(server) };
}

/** @param isLocal refuses the requests of other web sites, which must not reach what only this host may read */
function answerWith(
  collect: Collect,
  isLocal: boolean,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  let reading: Promise<readonly Family[]> | undefined;
  const read = () => {
    reading ??= Promise.resolve()
      .then(collect)
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };
  return async (request, response) => {
    request.resume();
    // Ignore errors from a client that goes away.
    response.on("error", () => undefined);
    // The descriptor tables of a run's threads may hold copies of a kept-alive connection's descriptor, which would
    // outlive it.
    response.setHeader("Connection", "close");
    response.setHeader("X-Content-Type-Options", "nosniff");
    const refusal = isLocal ? refusalOf(request.headers) : undefined;
    if (refusal !== undefined) return reply(response, 403, `${refusal}\n`);
    const [path] = (request.url ?? "").split("?");
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      return reply(response, 405, "only GET and HEAD\n");
    }
    if (path === "/healthz") return reply(response, 200, "ok\n");
    if (path === "/") return reply(response, 200, PAGE, "text/html; charset=utf-8");
    if (path !== "/metrics") return reply(response, 404, "not found: see /metrics and /healthz\n");
    const format = /application\/openmetrics-text/.test(request.headers.accept ?? "") ? "openmetrics" : "text";
    if (request.method === "HEAD") return reply(response, 200, "", CONTENT_TYPES[format]);
    try {
      const families = await inTime(read(), limitOf(request));
      reply(response, 200, exposition(families, format), CONTENT_TYPES[format]);
    } catch (error) {
      const isLate = error instanceof TooSlow;
      reply(response, isLate ? 503 : 500, `${error instanceof Error ? printable(error.message) : "failed"}\n`);
    }
  };
}

class TooSlow extends Error {}

async function inTime<T>(reading: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new TooSlow(
          `reading the kernel's tables takes longer than ${limitMs / 1000} s; a later scrape gets its result or starts again`,
        ),
      );
    }, limitMs);
  });
  try {
    return await Promise.race([reading, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the time limit of a scrape in milliseconds. Prometheus sends its scrape_timeout in a header. */
function limitOf({ headers }: IncomingMessage): number {
  const seconds = Number(headers["x-prometheus-scrape-timeout-seconds"]);
  if (!(seconds > 0)) return SCRAPE_MS;
  const limitMs = seconds * 1000;
  return Math.min(LONGEST_SCRAPE_MS, Math.max(limitMs / 2, limitMs - LEAD_MS));
}

const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>fourtuple</title>
<h1>fourtuple</h1>
<p><a href="/metrics">/metrics</a> for Prometheus, <a href="/healthz">/healthz</a> for health checks</p>
</html>
`;

function reply(response: ServerResponse, status: number, text: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, {
    "Content-Type": type,
    ...(text !== "" && { "Content-Length": Buffer.byteLength(text) }),
  });
  response.end(text);
}

function listening(server: Server, fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => reject(new AppError("E_LISTEN", `cannot listen: ${cause.message}`, { cause })));
    server.listen({ fd, backlog: BACKLOG }, () => {
      server.removeAllListeners("error");
      // A failure to accept a client, for example for lack of descriptors, must not end a run.
      server.on("error", () => undefined);
      resolve();
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => server.closeAllConnections(), GRACE_MS);
    server.close(() => {
      clearTimeout(late);
      resolve();
    });
  });
}
