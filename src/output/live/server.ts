// HTTP server of the live page: the page, a stream of events for each open page, and a stop button for those who have
// the token. The server shares the main thread with the run, and never waits for a page.

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { formatEndpoint } from "../../util/endpoint.js";
import { AppError } from "../../util/errors.js";
import { readOwnFile } from "../../util/program/files.js";
import { refusalOf } from "../http/refusal.js";
import { hasToken } from "./access.js";
import type { BeginEvent, EndEvent, LiveFeed, LiveNow } from "./feed.js";
import { History } from "./history.js";
import { Streams } from "./streams.js";

/** Built by scripts/bundle-page.mjs: one file with its script and styles. */
const PAGE = "dist/output/live/page.html";
const TICK_MS = 500;
const MOST_CONNECTIONS = 128;
const REQUEST_MS = 10_000;

const HEADERS = {
  "cache-control": "no-store",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

interface Shown {
  readonly feed: LiveFeed;
  readonly history: History;
  now: LiveNow;
}

export class LiveServer {
  /** Address of the page, with the token that stops the run. */
  readonly url: string;
  readonly #token = randomBytes(16).toString("hex");
  readonly #server: Server;
  readonly #page: string;
  readonly #policy: string;
  readonly #streams = new Streams();
  readonly #stop: () => void;
  #shown: Shown | undefined;
  #timer: NodeJS.Timeout | undefined;
  #last: EndEvent | undefined;

  private constructor(server: Server, ip: string, stop: () => void) {
    this.#server = server;
    this.#stop = stop;
    this.#page = readOwnFile(PAGE);
    this.#policy = policyFor(this.#page);
    const { port } = server.address() as { port: number };
    this.url = `http://${formatEndpoint(reachable(ip), port)}/#${this.#token}`;
    server.on("request", (request, response) => this.#answer(request, response));
    server.on("clientError", (_, socket) => socket.destroy());
  }

  /**
   * Starts to listen.
   *
   * @param port 0 lets the kernel choose a free port
   * @param stop called when a page stops the run
   * @throws {AppError} E_PORT_IN_USE or E_LISTEN
   */
  static async open(ip: string, port: number, stop: () => void): Promise<LiveServer> {
    const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS });
    server.maxConnections = MOST_CONNECTIONS;
    try {
      await once(server.listen(port, ip), "listening");
    } catch (cause) {
      throw notListening(ip, port, cause as NodeJS.ErrnoException);
    }
    // The run keeps the process alive, not the page.
    server.unref();
    return new LiveServer(server, ip, stop);
  }

  /** Shows a run. Pages opened before the run are waiting for it. */
  show(feed: LiveFeed): void {
    const { row, now } = feed.read();
    const history = new History(feed.head.columns);
    history.add(row);
    this.#shown = { feed, history, now };
    this.#streams.broadcast("begin", this.#beginning(this.#shown));
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** Shows the end of the run, and stops listening once the open pages have received it. */
  async end(last: EndEvent): Promise<void> {
    if (this.#last) return;
    clearInterval(this.#timer);
    this.#tick();
    this.#last = last;
    await this.#streams.end("end", last);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #tick(): void {
    if (!this.#shown) return;
    const { row, now } = this.#shown.feed.read();
    this.#shown.history.add(row);
    this.#shown.now = now;
    this.#streams.broadcast("tick", { row, now });
  }

  #beginning({ feed, history, now }: Shown): BeginEvent {
    return { head: feed.head, history: history.state(), now };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const refusal = refusalOf(request.headers);
    const [path] = (request.url ?? "").split("?", 1);
    const route = `${request.method} ${path}`;
    if (refusal !== undefined) reply(response, 403, refusal);
    else if (route === "GET /" || route === "HEAD /") this.#sendPage(response);
    else if (route === "GET /events") this.#stream(response);
    else if (route === "POST /stop") this.#stopRun(request, response);
    else if (path === "/" || path === "/events" || path === "/stop") reply(response, 405, "method not allowed");
    else reply(response, 404, "not found");
  }

  #sendPage(response: ServerResponse): void {
    response.setHeader("content-security-policy", this.#policy);
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(this.#page);
  }

  #stream(response: ServerResponse): void {
    if (this.#streams.isFull) {
      reply(response, 503, "too many pages are open");
      return;
    }
    this.#streams.add(response);
    if (this.#shown) this.#streams.send(response, "begin", this.#beginning(this.#shown));
    if (this.#last) this.#streams.send(response, "end", this.#last);
  }

  #stopRun(request: IncomingMessage, response: ServerResponse): void {
    if (!hasToken(request.headers, this.#token)) {
      reply(response, 403, "wrong token");
      return;
    }
    reply(response, 202, "stopping");
    this.#stop();
  }
}

function reply(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}

/**
 * Allows the page's own script and nothing from elsewhere. The report that replaces the page has styles of its own.
 */
function policyFor(page: string): string {
  const [, script = ""] = /<script>([\s\S]*?)<\/script>/.exec(page) ?? [];
  return [
    "default-src 'none'",
    `script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`,
    "style-src 'unsafe-inline'",
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** Returns an address at which a browser on this host reaches a server that listens on `ip`. */
function reachable(ip: string): string {
  if (ip === "0.0.0.0") return "127.0.0.1";
  return ip === "::" ? "::1" : ip;
}

function notListening(ip: string, port: number, cause: NodeJS.ErrnoException): AppError {
  const at = formatEndpoint(ip, port);
  if (cause.code === "EADDRINUSE") {
    return new AppError("E_PORT_IN_USE", `the live page cannot use ${at}: the port is in use`, {
      fix: "use another port, such as --ui 127.0.0.1:9480; port 0 picks a free one",
      cause,
    });
  }
  return new AppError("E_LISTEN", `the live page cannot listen on ${at}: ${cause.code ?? cause.message}`, {
    fix: "use an address of this host and a port from 1024, such as --ui 127.0.0.1:9480",
    cause,
  });
}
