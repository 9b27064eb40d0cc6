// Explains error responses and missing responses of an HTTP server on established connections: whose limit it is, and
// the fix.
import type { ConnectResult } from "../../../results/connect.js";
import type { Finding } from "../../../results/diagnosis.js";
import type { FailureReport } from "../../../results/fields.js";
import { formatCount, formatDuration, plural } from "../../../util/units.js";
import { seen } from "../local-errors.js";
import { type Known, local, peer } from "./known.js";

const TO_HTTPS = local("address", "the server redirects to https://", "use https:// in the address");

/** Explanations by failure name, for failures in any phase. */
const KNOWN: Readonly<Record<string, Known>> = {
  "HTTP 301": TO_HTTPS,
  "HTTP 302": TO_HTTPS,
  "HTTP 303": TO_HTTPS,
  "HTTP 307": TO_HTTPS,
  "HTTP 308": TO_HTTPS,
  "HTTP 101": peer("refused", "the server switches to another protocol", "omit -H 'Upgrade: …', or use ws://"),
  "HTTP 400": peer(
    "refused",
    "the server rejects the request as malformed",
    "check the headers (-H) and the body, and the server's log",
  ),
  "HTTP 401": local("credentials", "the server requires credentials", "add them: -H 'Authorization: Bearer …'"),
  "HTTP 403": peer(
    "credentials",
    "the server denies access: because of the credentials or the client's address",
    "send what the server expects (-H 'Authorization: …'), or allow this host's addresses on the server",
  ),
  "HTTP 404": local(
    "address",
    "the server has nothing at this path",
    "check the path in the address, and -H 'Host: …'",
  ),
  "HTTP 405": local("address", "the server does not allow this method at this path", "use another method: --method"),
  "HTTP 408": peer(
    "peer-timeout",
    "the server gave up waiting for a request",
    "raise the server's timeout (nginx: client_header_timeout; haproxy: timeout http-request, timeout http-keep-alive), or send requests more often (-r)",
  ),
  "HTTP 413": peer(
    "message-size",
    "the body is longer than the server accepts",
    "send a shorter body, or raise the server's limit (nginx: client_max_body_size)",
  ),
  "HTTP 421": peer(
    "address",
    "the server does not serve this host name over this connection",
    "check -H 'Host: …' and --servername",
  ),
  "HTTP 429": peer(
    "peer-rate",
    "the server limits the rate of requests or the number of a client's connections, and this run exceeded the limit",
    "lower the rate (-r), connect more slowly (--connect-rate) or from more addresses (--source-ip), or raise the limit on the server (nginx: limit_req, limit_conn)",
  ),
  "HTTP 431": peer("message-size", "the request's headers are longer than the server accepts", "send fewer (-H)"),
  "HTTP 500": peer("peer-fault", "the server had an internal error", "check the server's log"),
  "HTTP 502": peer(
    "backend",
    "a proxy answered, but could not reach the server behind it",
    "check that the server is running, and look at the proxy's log; the proxy itself may be out of source ports: run fourtuple ports on it",
  ),
  "HTTP 503": peer(
    "peer-maximum",
    "the server is not taking any more requests for now: it is at its connection or request limit, or a proxy has no backend left",
    "raise the limit on the server (nginx: limit_conn, limit_req; haproxy: maxconn), lower the rate (-r), or add servers",
  ),
  "HTTP 504": peer(
    "backend",
    "a proxy answered, but the server behind it did not respond in time",
    "find out what that server is waiting for, or lower the rate (-r)",
  ),
  TLS_RECORD: local("address", "the server speaks TLS on this port", "use https:// in the address"),
  NOT_HTTP: local("address", "the peer's answer is not HTTP/1.1", "check the port and the scheme"),
  BAD_RESPONSE: peer(
    "refused",
    "the server sent an invalid response: its fields, its length or its chunks",
    "compare with curl -v; check whether a proxy answers in the server's place",
  ),
  HEAD_TOO_LONG: peer("refused", "the server's response header is too long", "check the port and the path"),
  CUT_SHORT: peer(
    "peer-closing",
    "the server closed connections in the middle of a response",
    "check the server's log: it crashed or was restarted, or a timeout passed (nginx: send_timeout, proxy_read_timeout)",
  ),
  UNSOLICITED_RESPONSE: peer(
    "peer-fault",
    "the server sent a response without a request",
    "compare with curl -v: a previous response may be longer than its Content-Length, or a proxy mixes up responses",
  ),
  NO_RESPONSE: peer(
    "peer-silent",
    "the server did not answer a request in time",
    "check whether the server is overloaded, lower the rate (-r), or wait longer (--response-timeout)",
  ),
};

/** Explanations of a first request that got no response. */
const UNANSWERED: Readonly<Record<string, Known>> = {
  ETIMEDOUT: peer(
    "peer-silent",
    "the server accepts connections but does not answer the first request in time",
    "check the port and the scheme; check whether the server is overloaded; responses that are held back need a longer --handshake-timeout",
  ),
  FIN: peer(
    "refused",
    "the server accepts connections and closes them without a response",
    "check the port and the scheme: the server may speak TLS (https://) or another protocol; otherwise it may have reached its connection limit",
  ),
};

/** A full accept queue may also cause resets, but that is a different limit. */
const ABORTS = "net.ipv4.tcp_abort_on_overflow";
const KEPT = "nginx: keepalive_requests; Apache: MaxKeepAliveRequests; Node: server.maxRequestsPerSocket";

/**
 * @returns undefined unless the run uses HTTP and its server caused the failure
 */
export function explainHttp(result: ConnectResult, failure: FailureReport): Finding | undefined {
  if (result.protocol !== "http") return undefined;
  const known = findKnown(result, failure);
  return known && { ...known, evidence: [seen(failure), ...facts(result, failure.errno)] };
}

function findKnown(result: ConnectResult, { phase, errno, count }: FailureReport): Known | undefined {
  if (errno === "HTTP 400" && phase === "request" && !result.tls) return maybeTls();
  if (errno === "CONNECTION_CLOSE") return closed(result, count);
  if (Object.hasOwn(KNOWN, errno)) return KNOWN[errno];
  if (errno.startsWith("HTTP ")) return other(errno);
  if (phase !== "request") return undefined;
  if (errno === "ECONNRESET" && result.evidence.settings[ABORTS] !== 1) return UNANSWERED.FIN;
  return Object.hasOwn(UNANSWERED, errno) ? UNANSWERED[errno] : undefined;
}

function maybeTls(): Known {
  return peer(
    "refused",
    "the server rejects the request as malformed; nginx does so if the port is for TLS",
    "use https:// if the port is for TLS; otherwise check the headers (-H) and the server's log",
  );
}

/** Explains a close that the server announced in its last response on the connection. */
function closed({ ready = 0, responses, lost }: ConnectResult, count: number): Known {
  const final = responses ? responses["2xx"] + responses["3xx"] + responses["4xx"] + responses["5xx"] : 0;
  const each = final / count;
  if (lost === ready && count === ready && each === 1) {
    return peer(
      "keep-alive",
      "the server closes each connection after one response: it does not keep connections alive",
      "enable keep-alive on the server (nginx: keepalive_timeout, keepalive_requests; haproxy: option http-keep-alive), or measure short-lived connections: --close-after-response",
    );
  }
  const isExact = lost === ready && count === ready && Number.isInteger(each);
  return peer(
    "keep-alive",
    `the server closes connections after ${isExact ? `${formatCount(each)} requests` : "some requests (Connection: close)"}`,
    `raise the server's limit on requests per connection (${KEPT}); reloading or stopping the server looks the same`,
  );
}

function other(errno: string): Known {
  const status = errno.slice("HTTP ".length);
  return {
    limit: "refused",
    whose: status.startsWith("4") ? "local" : "peer",
    meaning: `the server answers with status ${status}`,
    fix: "check the server's log",
  };
}

function facts({ responses }: ConnectResult, errno: string): string[] {
  const waitMs = responses?.retryAfterMs ?? 0;
  if (waitMs === 0 || (errno !== "HTTP 429" && errno !== "HTTP 503")) return [];
  return [`the server asks to wait ${formatDuration(waitMs)} (Retry-After)`];
}

/** Explains requests that are unanswered because they were not sent again. */
export function explainUnrepeated({ reopened, messages }: ConnectResult): Finding | undefined {
  const { unrepeated = 0 } = reopened ?? {};
  if (unrepeated === 0 || unrepeated * 2 < (messages?.unanswered ?? 0)) return undefined;
  return {
    ...peer(
      "keep-alive",
      "the server closed idle connections just as the next request arrived; requests whose method is not idempotent are not sent again, because the server may have processed them",
      "keep connections alive on the server for longer than the interval between requests (nginx: keepalive_timeout; Node: server.keepAliveTimeout), or, if it may receive a request twice, add -H 'Idempotency-Key: …'",
    ),
    evidence: [`${plural(unrepeated, "request")} met the close of an idle connection`],
  };
}

/** Notes responses that may be redirects. Some statuses, such as 304, are none. */
export function redirectNotes({ responses }: ConnectResult): string[] {
  const redirects = responses?.["3xx"] ?? 0;
  if (redirects === 0) return [];
  return [`${plural(redirects, "response")} with status 3xx: redirects are not followed`];
}
