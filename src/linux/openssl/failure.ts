// Reduces OpenSSL's error queue to one number: an alert from the peer, a certificate error, or OpenSSL's own reason.
// codes.ts has the names.

import { TLS_ALERT, TLS_CERTIFICATE, TLS_REASON } from "./codes.js";
import { ERR_LIB_SSL, SSL_AD_REASON_OFFSET, SSL_R_CERTIFICATE_VERIFY_FAILED, X509_V_OK } from "./constants.js";
import { openssl } from "./library.js";

const REASON_MASK = 0x7fffff;
const LIB_SHIFT = 23;
const LIB_MASK = 0xff;

/** Returns the code of the last error on `ssl` and clears the queue, so that later calls do not see it. */
export function takeFailure(ssl: number): number {
  const { ERR_peek_error, ERR_clear_error, SSL_get_verify_result } = openssl();
  const error = ERR_peek_error();
  ERR_clear_error();
  const isOwn = ((error >>> LIB_SHIFT) & LIB_MASK) === ERR_LIB_SSL;
  const reason = isOwn ? error & REASON_MASK : 0;
  if (reason > SSL_AD_REASON_OFFSET) return TLS_ALERT + reason - SSL_AD_REASON_OFFSET;
  if (reason === SSL_R_CERTIFICATE_VERIFY_FAILED) {
    const result = SSL_get_verify_result(ssl);
    if (result !== X509_V_OK) return TLS_CERTIFICATE + result;
  }
  return TLS_REASON + reason;
}
