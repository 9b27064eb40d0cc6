// Explains connections of a server whose PROXY protocol header was missing, invalid or unexpected.
import type { Finding } from "../../../results/diagnosis.js";
import type { FailureReport } from "../../../results/fields.js";
import type { ServeResult } from "../../../results/serve.js";
import { formatCount, plural } from "../../../util/units.js";
import { seen } from "../local-errors.js";

const SEND_ONE =
  "connect through the load balancer, and let it send a header (haproxy: send-proxy-v2; nginx: proxy_protocol on), or omit --proxy-protocol";

const CHECK_SENDER =
  "check what sends it: a line of text of at most 107 bytes (v1), or a binary header with at most 4,096 bytes of addresses and TLVs (v2)";

/**
 * @returns undefined if all headers were expected and valid, or if the only failures are connections
 *   that ended before their header
 */
export function explainProxyHeaders(result: ServeResult): Finding | undefined {
  const failures = result.failures.filter(({ phase, errno }) => phase === "proxy" && !isEnding(errno));
  const missing = failures.filter(({ errno }) => errno === "NO_PROXY_HEADER" || errno === "ETIMEDOUT");
  if (missing.length > 0) {
    return {
      limit: "proxy-protocol",
      whose: "peer",
      meaning: `${plural(totalOf(missing), "connection")} did not begin with a PROXY protocol header, which --proxy-protocol requires`,
      fix: SEND_ONE,
      evidence: missing.map(seen),
    };
  }
  const invalid = failures.filter(({ errno }) => errno === "BAD_PROXY_HEADER");
  const tooLong = failures.filter(({ errno }) => errno === "PROXY_HEADER_TOO_LONG");
  const [invalidCount, tooLongCount] = [totalOf(invalid), totalOf(tooLong)];
  if (tooLongCount > invalidCount) {
    return {
      limit: "proxy-protocol",
      whose: "peer",
      meaning: `${plural(tooLongCount, "connection")} began with a PROXY protocol header that was too long, or too many were incomplete at once`,
      fix: `${CHECK_SENDER}; if many connections never complete their header, end them sooner (--handshake-timeout)`,
      evidence: [...tooLong, ...invalid].map(seen),
    };
  }
  if (invalidCount > 0) {
    return {
      limit: "proxy-protocol",
      whose: "peer",
      meaning: `${plural(invalidCount, "connection")} began with an invalid PROXY protocol header`,
      fix: CHECK_SENDER,
      evidence: [...invalid, ...tooLong].map(seen),
    };
  }
  return explainUnexpected(result);
}

/** Notes on connections that ended before their header was complete. */
export function proxyHeaderNotes({ failures }: ServeResult): string[] {
  const ended = totalOf(failures.filter(({ phase, errno }) => phase === "proxy" && isEnding(errno)));
  if (ended === 0) return [];
  return [
    `${plural(ended, "connection")} ended before the PROXY protocol header, as health checks do that only connect (haproxy: check-send-proxy adds the header)`,
  ];
}

function explainUnexpected({ failures, unexpectedProxyHeaders = 0, proxyProtocol }: ServeResult): Finding | undefined {
  const refused = failures.filter(({ phase, errno }) => phase === "tls" && errno === "PROXY_HEADER");
  const count = unexpectedProxyHeaders + totalOf(refused);
  if (count === 0) return undefined;
  const evidence = [
    ...(unexpectedProxyHeaders > 0 ? [`${formatCount(unexpectedProxyHeaders)} received as data`] : []),
    ...refused.map(seen),
  ];
  const common = { limit: "proxy-protocol", whose: "local", evidence } as const;
  if (proxyProtocol) {
    return {
      ...common,
      meaning: `${plural(count, "connection")} sent a second PROXY protocol header`,
      fix: "let only one of the load balancers on the path send a header",
    };
  }
  return {
    ...common,
    meaning: `${plural(count, "connection")} began with a PROXY protocol header, which this server does not expect`,
    fix: "add --proxy-protocol, or let the load balancer send none (haproxy: send-proxy; nginx: proxy_protocol off)",
  };
}

function isEnding(errno: string): boolean {
  return errno === "FIN" || errno === "ECONNRESET" || errno === "EPIPE";
}

function totalOf(failures: readonly FailureReport[]): number {
  return failures.reduce((sum, { count }) => sum + count, 0);
}
