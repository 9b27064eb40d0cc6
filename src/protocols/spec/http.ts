// Defines the HTTP options, and builds the spec from them.
import { quoted } from "../../util/printable.js";
import { formatBytes } from "../../util/units.js";
import { type Address, SCHEMES } from "./address.js";
import { checkHeaders, checkMaxMessageBytes, checkTime, hostField, invalid, TOKEN } from "./option-checks.js";
import type { HttpSpec } from "./spec.js";

export interface HttpOptions {
  /** Clients: method of each request; default GET, or POST with a body. */
  readonly method?: string | undefined;
  /** Body of each request or response. */
  readonly body?: string | Uint8Array | undefined;
  /**
   * Clients: whether to close each connection after its first response, so that connections are opened and closed all
   * the time.
   */
  readonly closeAfterResponse?: boolean | undefined;
  /**
   * Clients: how long a response may take or stall before its connection counts as lost; by default, there is no limit.
   */
  readonly responseTimeoutMs?: number | undefined;
  /**
   * Clients: whether a connection that the server closes between two responses is opened again for its next request, if
   * there is a rate or a number of requests; default true. Otherwise, the connection counts as lost.
   */
  readonly reopen?: boolean | undefined;
  /** Servers: status of each response; default 200, or 204 in discard mode. */
  readonly status?: number | undefined;
  /** Servers: answer with server-sent events, the body as an event at this interval. */
  readonly eventIntervalMs?: number | undefined;
  /** Servers: delay each response by this long (long poll), or up to an eighth longer. */
  readonly delayMs?: number | undefined;
}

/** Maximum size of a body, of which each worker has a copy or two. */
const LONGEST_BODY = 16 * 1024 * 1024;

/** @throws {AppError} E_OPTION when an option is invalid */
export function httpSpec(
  address: Address,
  options: HttpOptions & { readonly headers?: readonly string[] | undefined; readonly mode?: string | undefined },
  maxBodyBytes: number,
): HttpSpec {
  const { headers = [], body, mode, eventIntervalMs, delayMs } = options;
  const content = body === undefined ? undefined : Buffer.from(body);
  const method = options.method ?? (content === undefined ? "GET" : "POST");
  const status = options.status ?? (mode === "discard" && content === undefined ? 204 : 200);
  checkHeaders(headers, mode !== undefined);
  checkMaxMessageBytes(maxBodyBytes);
  checkTime("response timeout", options.responseTimeoutMs);
  checkTime("event interval", eventIntervalMs);
  checkTime("response delay", delayMs);
  // CONNECT turns the connection into a tunnel, and TRACE echoes the request.
  if (!TOKEN.test(method) || method === "CONNECT")
    throw invalid(`invalid method: ${quoted(method)}`, "use one such as GET");
  if (content !== undefined && content.length > LONGEST_BODY) {
    throw invalid(`the body is too long: ${formatBytes(content.length)}`, `use at most ${formatBytes(LONGEST_BODY)}`);
  }
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw invalid(`invalid status: ${status}`, "use one from 200 to 599");
  }
  if ((status === 204 || status === 304) && (content !== undefined || mode === "echo")) {
    throw invalid(`a response with status ${status} has no body`, "use another status, or omit the body");
  }
  if (eventIntervalMs !== undefined && (delayMs !== undefined || mode === "echo" || status !== 200)) {
    throw invalid(
      "an event stream cannot be combined with a delay, a status or echo mode",
      "omit the delay, the status and echo mode",
    );
  }
  if (delayMs !== undefined && mode === "echo") {
    throw invalid("an echo cannot be delayed", "omit the delay, or echo mode");
  }
  return {
    name: "http",
    isSecure: SCHEMES[address.scheme].isSecure,
    host: hostField(address),
    path: address.path,
    body: content?.toString("base64"),
    headers,
    method,
    closesAnswered: options.closeAfterResponse ?? false,
    responseTimeoutMs: options.responseTimeoutMs ?? 0,
    status,
    eventIntervalMs: eventIntervalMs ?? 0,
    delayMs: delayMs ?? 0,
    maxBodyBytes,
  };
}
