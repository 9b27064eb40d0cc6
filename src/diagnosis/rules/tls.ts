// Explains failed TLS handshakes by their alert, certificate error or unexpected bytes: the cause, the side and the
// fix.
import type { ConnectResult } from "../../results/connect.js";
import type { Finding } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import { plural } from "../../util/units.js";
import { seen } from "./local-errors.js";
import { type Known, local, peer } from "./protocols/known.js";

const UNKNOWN_CA = local(
  "certificate",
  "the server's certificate is signed by a CA that is not trusted here",
  "pass the CA's certificate with --ca, or skip verification with --insecure",
);
const WRONG_NAME = peer(
  "certificate",
  "the server's certificate does not match the requested name",
  "connect using a name from the certificate (openssl x509 -noout -ext subjectAltName), pass such a name with --servername, or skip verification with --insecure",
);
const NO_COMMON = local(
  "tls-version",
  "the two sides have no TLS version or cipher in common",
  "see --tls-version and --ciphers, and what the server allows (nginx: ssl_protocols, ssl_ciphers)",
);
const NOT_TLS = local(
  "address",
  "the server does not speak TLS: this is a plain-text port",
  "check the port and the scheme: omit tls://, or use ws://, http:// or mqtt:// instead of wss://, https:// or mqtts://",
);
const CLIENT_CERTIFICATE = local(
  "credentials",
  "the server requires a client certificate, or does not accept the given certificate",
  "pass a certificate signed by a CA that the server trusts: --cert client.pem --key client.key",
);

/** Explanations by failure name. */
const KNOWN: Readonly<Record<string, Known>> = {
  CERT_HAS_EXPIRED: peer(
    "certificate",
    "the server's certificate has expired",
    "renew the certificate on the server, check this host's clock (date), or skip verification with --insecure",
  ),
  CERT_NOT_YET_VALID: peer(
    "certificate",
    "the server's certificate is not valid yet",
    "compare the clocks of both hosts (date)",
  ),
  CERT_REVOKED: peer("certificate", "the server's certificate is revoked", "renew the certificate on the server"),
  HOSTNAME_MISMATCH: WRONG_NAME,
  IP_ADDRESS_MISMATCH: WRONG_NAME,
  DEPTH_ZERO_SELF_SIGNED_CERT: local(
    "certificate",
    "the server's certificate is self-signed, and not trusted here",
    "trust the certificate with --ca, or skip verification with --insecure",
  ),
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: peer(
    "certificate",
    "the server sends its certificate without the intermediate certificates, or its CA is not trusted here",
    "configure the server to send the whole chain (nginx: ssl_certificate with the intermediates appended), or pass them with --ca",
  ),
  WRONG_VERSION_NUMBER: NOT_TLS,
  HTTP_REQUEST: NOT_TLS,
  UNEXPECTED_MESSAGE: NOT_TLS,
  UNSUPPORTED_PROTOCOL: NO_COMMON,
  NO_SHARED_CIPHER: NO_COMMON,
  ALERT_PROTOCOL_VERSION: NO_COMMON,
  ALERT_INSUFFICIENT_SECURITY: NO_COMMON,
  ALERT_HANDSHAKE_FAILURE: local(
    "tls-version",
    "the server refuses the handshake: no cipher or curve in common, or it requires a client certificate",
    "see --ciphers and --tls-version; pass a client certificate with --cert; the server's log has the reason",
  ),
  ALERT_NO_APPLICATION_PROTOCOL: local(
    "alpn",
    "the server supports none of the protocols offered by ALPN",
    "offer one that the server supports: --alpn http/1.1",
  ),
  ALERT_UNRECOGNIZED_NAME: local(
    "address",
    "the server does not know the requested name (SNI)",
    "use a name that the server knows: --servername",
  ),
  ALERT_CERTIFICATE_REQUIRED: CLIENT_CERTIFICATE,
  ALERT_BAD_CERTIFICATE: CLIENT_CERTIFICATE,
  ALERT_UNKNOWN_CA: CLIENT_CERTIFICATE,
  ALERT_CERTIFICATE_EXPIRED: CLIENT_CERTIFICATE,
  ALERT_CERTIFICATE_UNKNOWN: CLIENT_CERTIFICATE,
  ALERT_ACCESS_DENIED: CLIENT_CERTIFICATE,
  ALERT_INTERNAL_ERROR: peer("peer-fault", "the server reports an internal error", "see the server's log"),
};

/** Explanations of handshakes that ended without a TLS alert. */
const SILENT: Readonly<Record<string, Known>> = {
  ETIMEDOUT: peer(
    "peer-silent",
    "the server accepts connections but does not answer the TLS handshake in time",
    "check the port and the scheme: a server that waits for plain text is silent too; otherwise it is overloaded: open more slowly (--connect-rate), or wait longer (--handshake-timeout)",
  ),
  FIN: peer(
    "refused",
    "the server accepts connections but closes them during the TLS handshake",
    "check the port and the scheme: the server may speak plain text; otherwise it may have reached its connection limit, or a proxy has no server behind it",
  ),
};

/** Schemes with TLS, by protocol. */
const WITH_TLS = { tcp: "tls", ws: "wss", http: "https", mqtt: "mqtts", scripted: "tls" } as const;

/** @returns undefined for a failure unrelated to TLS */
export function explainTls(failure: FailureReport): Finding | undefined {
  const { phase, errno } = failure;
  const known = Object.hasOwn(KNOWN, errno) && phase !== "upgrade" ? KNOWN[errno] : ofHandshake(phase, errno);
  return known && { ...known, evidence: [seen(failure)] };
}

/**
 * Explains connections without TLS to a port that expects TLS, if the server said so.
 * @returns undefined unless at least half of the failed and lost connections received an alert
 */
export function explainTlsPort({ tlsAlerts = 0, protocol, failed, lost }: ConnectResult): Finding | undefined {
  if (tlsAlerts === 0 || tlsAlerts * 2 < failed + lost) return undefined;
  return {
    ...local(
      "address",
      "the server speaks TLS on this port: it answered with TLS alerts",
      `give the address with ${WITH_TLS[protocol ?? "tcp"]}://`,
    ),
    evidence: [`${plural(tlsAlerts, "TLS alert")} received on connections without TLS`],
  };
}

function ofHandshake(phase: string, errno: string): Known | undefined {
  if (phase !== "tls") return undefined;
  if (errno === "ECONNRESET" || errno === "EPIPE") return SILENT.FIN;
  if (Object.hasOwn(SILENT, errno)) return SILENT[errno];
  if (errno === "ENOMEM") return local("memory", "out of memory for TLS", "open fewer connections, or add memory");
  return peer(
    "refused",
    `the TLS handshake failed: ${errno}`,
    "see the server's log; compare with openssl s_client -connect",
  );
}
