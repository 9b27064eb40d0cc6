// Explains refusals by a protocol on an established TCP connection: the meaning of the code, the side and the fix.
import type { ConnectResult } from "../../results/connect.js";
import type { Finding } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import { seen } from "./local-errors.js";
import { type Known, local, peer } from "./protocols/known.js";
import { mqttRefusal } from "./protocols/mqtt.js";
import { scriptRefusal } from "./protocols/script.js";

/** Explanations by failure name. */
const KNOWN: Readonly<Record<string, Known>> = {
  "HTTP 200": local(
    "address",
    "the server answered with a page: there is no WebSocket endpoint at this path",
    "check the path in the address",
  ),
  "HTTP 400": peer(
    "refused",
    "the server rejects the upgrade request as malformed",
    "use wss:// if the port is for TLS (nginx then answers 400); otherwise check the server's log: a proxy that drops the Upgrade and Connection headers causes this",
  ),
  "HTTP 401": local("credentials", "the server requires credentials", "add them: -H 'Authorization: Bearer …'"),
  "HTTP 403": peer(
    "credentials",
    "the server denies access: because of the credentials, the Origin or the client's address",
    "send what the server expects: -H 'Authorization: …', -H 'Origin: https://…'; or allow this host's addresses on the server",
  ),
  "HTTP 404": local("address", "the server has no WebSocket endpoint at this path", "check the path in the address"),
  "HTTP 426": local(
    "address",
    "the server requires a different protocol",
    "check the address, and the Upgrade header of the response",
  ),
  "HTTP 429": peer(
    "peer-rate",
    "the server limits the rate or the number of a client's connections, and this run exceeded the limit",
    "connect more slowly (--connect-rate) or from more addresses (--source-ip), or raise the limit on the server (nginx: limit_req, limit_conn)",
  ),
  "HTTP 502": peer(
    "backend",
    "a proxy answered, but could not reach the server behind it",
    "check that the server is running, and look at the proxy's log; the proxy itself may be out of source ports: run fourtuple ports on it",
  ),
  "HTTP 503": peer(
    "peer-maximum",
    "the server is not accepting any more connections for now: it is at its connection limit, or a proxy has no backend left",
    "raise the limit on the server (nginx: limit_conn, worker_connections; haproxy: maxconn), or add servers",
  ),
  "HTTP 504": peer(
    "backend",
    "a proxy answered, but the server behind it did not respond in time",
    "find out what that server is waiting for, or connect more slowly (--connect-rate)",
  ),
  NOT_HTTP: local(
    "address",
    "the peer's answer is not HTTP",
    "check the port and the scheme: the peer may speak plain TCP or TLS",
  ),
  BAD_UPGRADE: peer(
    "refused",
    "the server accepted the upgrade, but its response is invalid",
    "check whether a proxy answers in the server's place",
  ),
  BAD_SUBPROTOCOL: local(
    "address",
    "the server did not accept the requested subprotocol",
    "request one that the server supports: --subprotocol",
  ),
  HEAD_TOO_LONG: peer(
    "refused",
    "the server's response header is too long",
    "check the port and the path in the address",
  ),
  BAD_FRAME: peer(
    "refused",
    "the peer sent an invalid frame (RFC 6455)",
    "check whether a device in between modifies the traffic",
  ),
  BAD_UTF8: peer("refused", "the peer sent text that is not UTF-8", "have it send binary messages"),
  MESSAGE_TOO_BIG: local("message-size", "the peer's message exceeds the maximum size", "raise --max-message-size"),
  NO_PONG: peer(
    "peer-silent",
    "the server did not answer a ping",
    "check whether the server is overloaded, or use a longer --ping-interval",
  ),
  "CLOSE 1000": peer(
    "peer-closing",
    "the server closed the connection normally",
    "check the server's idle timeout, or keep connections busy: --ping-interval",
  ),
  "CLOSE 1001": peer(
    "peer-closing",
    "the server is going away: it shut down, or closed idle connections",
    "check the server's log and its idle timeout, or keep connections busy: --ping-interval",
  ),
  "CLOSE 1005": peer(
    "peer-closing",
    "the server closed the connection without giving a reason",
    "check the server's log and its idle timeout",
  ),
  "CLOSE 1002": peer(
    "refused",
    "the server reports a violation of the WebSocket protocol",
    "check the server's log, and whether a device in between modifies the traffic",
  ),
  "CLOSE 1003": local(
    "refused",
    "the server does not accept this type of message",
    "send the other type: with --binary, or without",
  ),
  "CLOSE 1007": local(
    "refused",
    "the server rejects the content of a message",
    "send what the server expects (-m), as text or with --binary",
  ),
  "CLOSE 1008": peer(
    "policy",
    "the server's policy forbids it: credentials, Origin, rate or quota",
    "send what the server expects (-H 'Authorization: …', -H 'Origin: https://…'), lower the rate (-r), connect more slowly (--connect-rate), or raise the limit on the server; its log has the reason",
  ),
  "CLOSE 1009": peer(
    "message-size",
    "a message is longer than the server accepts",
    "send shorter messages, or raise the server's limit",
  ),
  "CLOSE 1011": peer(
    "peer-fault",
    "the server had an internal error, or received no answer to its pings",
    "check the server's log, and whether this host is overloaded",
  ),
  "CLOSE 1012": peer("peer-closing", "the server is restarting", "try again once the server is up"),
  "CLOSE 1013": peer(
    "peer-maximum",
    "the server is not accepting any more connections for now",
    "connect more slowly (--connect-rate), or add servers",
  ),
  "CLOSE 1014": peer(
    "backend",
    "a gateway closed the connection because the server behind it failed",
    "check that server, and the gateway's log",
  ),
};

/** With this setting, a full accept queue may also cause resets, but that is a different limit. */
const ABORTS = "net.ipv4.tcp_abort_on_overflow";

/**
 * @returns undefined if no protocol refused a connection
 */
export function explainRefusedProtocol(
  { evidence, script }: ConnectResult,
  failure: FailureReport,
): Finding | undefined {
  const { phase, errno } = failure;
  if (errno === "ECONNRESET" && evidence.settings[ABORTS] === 1) return undefined;
  const known = Object.hasOwn(KNOWN, errno)
    ? KNOWN[errno]
    : (scriptRefusal(script, phase, errno) ?? mqttRefusal(phase, errno) ?? silence(phase, errno) ?? other(errno));
  return known && { ...known, evidence: [seen(failure)] };
}

/** Explains a handshake that the peer never completed over a TCP connection that it had accepted. */
function silence(phase: string, errno: string): Known | undefined {
  if (phase === "greeting" || phase === "first-message") return openingSilence(phase, errno);
  if (phase !== "upgrade") return undefined;
  if (errno === "ETIMEDOUT") {
    return peer(
      "peer-silent",
      "the server accepts connections but does not answer the upgrade request in time",
      "check the port and the scheme; check whether the server is overloaded, or wait longer (--handshake-timeout)",
    );
  }
  if (errno === "FIN" || errno === "ECONNRESET") {
    return peer(
      "refused",
      "the server accepts connections and closes them during the upgrade",
      "check the port and the scheme: the server may speak TLS or another protocol; otherwise it may have reached its connection limit",
    );
  }
  return undefined;
}

/**
 * Explains an incomplete set-up over plain TCP, where the run waits for a greeting or the answer to its first
 * message.
 */
function openingSilence(phase: "greeting" | "first-message", errno: string): Known | undefined {
  const isGreeting = phase === "greeting";
  if (errno === "ETIMEDOUT") {
    return peer(
      "peer-silent",
      isGreeting
        ? "the server accepts connections but does not greet in time"
        : "the server accepts connections but does not answer the first message in time",
      isGreeting
        ? "omit --await-greeting if the server speaks second; otherwise check whether the server is overloaded"
        : "check the first message and what ends its answer (--expect-until, --expect-bytes); or wait longer (--handshake-timeout)",
    );
  }
  if (errno === "FIN" || errno === "ECONNRESET") {
    return peer(
      "refused",
      isGreeting
        ? "the server accepts connections and closes them without a greeting"
        : "the server closes connections instead of answering the first message",
      "check the port, the first message and the server's log; the server may have reached its connection limit",
    );
  }
  return undefined;
}

function other(errno: string): Known | undefined {
  const [, kind, code] = /^(HTTP|CLOSE) (\d+)$/.exec(errno) ?? [];
  if (kind === undefined) return undefined;
  if (kind === "HTTP" && code!.startsWith("3")) {
    return local(
      "address",
      `the server redirects the upgrade (status ${code}); redirects are not followed`,
      "use the address that it redirects to (Location in the response: curl -i), with wss:// for https://",
    );
  }
  const isOurs = kind === "HTTP" && code!.startsWith("4");
  const meaning =
    kind === "HTTP"
      ? `the server refused the upgrade with status ${code}`
      : `the server closed the connection with code ${code}`;
  return { limit: "refused", whose: isOurs ? "local" : "peer", meaning, fix: "check the server's log" };
}
