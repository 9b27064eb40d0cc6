// The codes of TLS handshake failures, in the same number space as errnos and protocol codes: an alert from the
// peer, a problem with its certificate, or an error in this side's OpenSSL. Each has a name.

const STEP = 2 ** 16;

/** The peer sent an alert. The alert's number is added (RFC 8446, section 6). */
export const TLS_ALERT = 4 * STEP;
/** The peer's certificate was rejected. OpenSSL's X509_V_ERR_… is added. */
export const TLS_CERTIFICATE = 5 * STEP;
/** The handshake failed for another reason. OpenSSL's SSL_R_… is added, or 0 for an error of another library. */
export const TLS_REASON = 6 * STEP;
const TLS_END = 7 * STEP;

/** Alert names, as in RFC 8446 and RFC 5246. */
const ALERTS: Record<number, string> = {
  10: "UNEXPECTED_MESSAGE",
  20: "BAD_RECORD_MAC",
  22: "RECORD_OVERFLOW",
  40: "HANDSHAKE_FAILURE",
  42: "BAD_CERTIFICATE",
  43: "UNSUPPORTED_CERTIFICATE",
  44: "CERTIFICATE_REVOKED",
  45: "CERTIFICATE_EXPIRED",
  46: "CERTIFICATE_UNKNOWN",
  47: "ILLEGAL_PARAMETER",
  48: "UNKNOWN_CA",
  49: "ACCESS_DENIED",
  50: "DECODE_ERROR",
  51: "DECRYPT_ERROR",
  70: "PROTOCOL_VERSION",
  71: "INSUFFICIENT_SECURITY",
  80: "INTERNAL_ERROR",
  86: "INAPPROPRIATE_FALLBACK",
  90: "USER_CANCELED",
  100: "NO_RENEGOTIATION",
  109: "MISSING_EXTENSION",
  110: "UNSUPPORTED_EXTENSION",
  112: "UNRECOGNIZED_NAME",
  115: "UNKNOWN_PSK_IDENTITY",
  116: "CERTIFICATE_REQUIRED",
  120: "NO_APPLICATION_PROTOCOL",
};

/**
 * Names used by OpenSSL and Node.
 * @see x509_vfy.h
 */
const CERTIFICATE_ERRORS: Record<number, string> = {
  2: "UNABLE_TO_GET_ISSUER_CERT",
  7: "CERT_SIGNATURE_FAILURE",
  9: "CERT_NOT_YET_VALID",
  10: "CERT_HAS_EXPIRED",
  18: "DEPTH_ZERO_SELF_SIGNED_CERT",
  19: "SELF_SIGNED_CERT_IN_CHAIN",
  20: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  21: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  22: "CERT_CHAIN_TOO_LONG",
  23: "CERT_REVOKED",
  26: "INVALID_PURPOSE",
  27: "CERT_UNTRUSTED",
  28: "CERT_REJECTED",
  62: "HOSTNAME_MISMATCH",
  64: "IP_ADDRESS_MISMATCH",
  66: "EE_KEY_TOO_SMALL",
  68: "CA_MD_TOO_WEAK",
  79: "INVALID_CA",
};

/**
 * Names used by OpenSSL.
 * @see sslerr.h
 */
const REASONS: Record<number, string> = {
  101: "NO_SUITABLE_KEY_SHARE",
  118: "NO_SUITABLE_SIGNATURE_ALGORITHM",
  122: "BAD_KEY_UPDATE",
  132: "TOO_MANY_KEY_UPDATES",
  146: "DATA_LENGTH_TOO_LONG",
  150: "ENCRYPTED_LENGTH_TOO_LONG",
  152: "EXCESSIVE_MESSAGE_SIZE",
  155: "HTTPS_PROXY_REQUEST",
  156: "HTTP_REQUEST",
  191: "NO_PROTOCOLS_AVAILABLE",
  193: "NO_SHARED_CIPHER",
  198: "PACKET_LENGTH_TOO_LONG",
  199: "PEER_DID_NOT_RETURN_A_CERTIFICATE",
  235: "NO_APPLICATION_PROTOCOL",
  244: "UNEXPECTED_MESSAGE",
  245: "UNEXPECTED_RECORD",
  258: "UNSUPPORTED_PROTOCOL",
  266: "WRONG_SSL_VERSION",
  267: "WRONG_VERSION_NUMBER",
  281: "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
  339: "NO_RENEGOTIATION",
};

/** Returns whether a code is a TLS failure. */
export function isTlsCode(code: number): boolean {
  return code >= TLS_ALERT && code < TLS_END;
}

/** Formats a code, for example as `ALERT_HANDSHAKE_FAILURE`, `CERT_HAS_EXPIRED`, `WRONG_VERSION_NUMBER`. */
export function tlsCodeName(code: number): string {
  const number = code % STEP;
  if (code >= TLS_REASON) return REASONS[number] ?? `TLS_${number}`;
  if (code >= TLS_CERTIFICATE) return CERTIFICATE_ERRORS[number] ?? `X509_${number}`;
  return `ALERT_${ALERTS[number] ?? number}`;
}
