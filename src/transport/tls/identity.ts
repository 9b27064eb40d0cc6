// Prepares a server's TLS before it listens. The certificate, given or self-signed, is loaded here, so that an error
// ends the run before anything is opened.
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { fingerprintOf, selfSignedIdentity } from "../../linux/openssl/certificate.js";
import { freeContext, serverContext } from "../../linux/openssl/context.js";
import type { TlsSettings } from "../../linux/openssl/settings.js";
import { isIpv6 } from "../../util/address.js";

/** Size of the keys that seal session tickets: a name, an encryption key and an authentication key. */
const TICKET_KEYS_SIZE = 80;

export interface ServerIdentity {
  readonly settings: TlsSettings;
  /** SHA-256 of the certificate, in the format that openssl prints. */
  readonly fingerprint: string;
  /**
   * Whether the certificate was generated for this run. Clients do not trust such a certificate unless configured
   * to.
   */
  readonly isSelfSigned: boolean;
}

/**
 * Loads or generates the certificate.
 *
 * @param resumes whether session tickets are issued
 * @param host address or name that the server listens on
 * @throws {AppError} E_OPTION, or E_PLATFORM if OpenSSL is unavailable
 */
export function prepareIdentity(given: TlsSettings, resumes: boolean, host: string): ServerIdentity {
  const isSelfSigned = given.cert === undefined;
  const settings = {
    ...given,
    identity: isSelfSigned ? selfSignedIdentity(namesFor(host)) : undefined,
    ticketKeys: resumes ? Uint8Array.from(randomBytes(TICKET_KEYS_SIZE)) : undefined,
  };
  const context = serverContext(settings);
  const fingerprint = fingerprintOf(context) ?? "";
  freeContext(context);
  return { settings, fingerprint, isSelfSigned };
}

function namesFor(host: string): string[] {
  const bare = host.replace(/%.*$/, "");
  const isAddress = isIpv6(bare) || /^[\d.]+$/.test(bare);
  const isName = /^[A-Za-z0-9.-]+$/;
  const names = ["localhost", hostname(), ...(isAddress ? [] : [bare])].filter((name) => isName.test(name));
  const ips = ["127.0.0.1", "::1", ...(isAddress ? [bare] : [])];
  return [...new Set([...names.map((name) => `DNS:${name}`), ...ips.map((ip) => `IP:${ip}`)])];
}
