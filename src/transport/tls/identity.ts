// A server's TLS before it listens: the certificate that it is given, or one that it makes for itself, is tried here, where an error ends the
// run before anything is opened.
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { fingerprintOf, selfSignedIdentity } from "../../linux/openssl/certificate.js";
import { freeContext, serverContext } from "../../linux/openssl/context.js";
import type { TlsSettings } from "../../linux/openssl/settings.js";
import { isIpv6 } from "../../util/address.js";

/** What seals session tickets: a name, and a key each for encryption and authentication. */
const TICKET_KEYS_SIZE = 80;

export interface ServerIdentity {
  readonly settings: TlsSettings;
  /** SHA-256 of the certificate, as openssl prints it. */
  readonly fingerprint: string;
  /** It was made for this run: nobody trusts it who was not told of it. */
  readonly isSelfSigned: boolean;
}

/**
 * @param resumes it gives out sessions to be used again
 * @param host what it listens on
 * @throws {AppError} E_OPTION, or E_PLATFORM where there is no OpenSSL
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
