// Handles certificates: loads a context's identity from files or memory, generates a self-signed certificate for a
// server without one, and computes fingerprints.

import { readFileSync } from "node:fs";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { NativeBuffer } from "../syscalls/libc.js";
import { SSL_FILETYPE_PEM } from "./constants.js";
import { certificateFunctions, openssl } from "./library.js";
import type { PemIdentity, TlsSettings } from "./settings.js";

const NID_P256 = 415;
const EVP_PKEY_EC = 408;
const NID_SUBJECT_ALT_NAME = 85;
const MBSTRING_ASC = 0x1001;
const X509_V3 = 2;
const DAYS = 30;
const DAY_SEC = 86_400;
/** How far the validity starts in the past, to allow for clients whose clocks are slow. */
const EARLIER_SEC = 3600;
const SHA256_BYTES = 32;
const LONGEST_PEM = 16_384;
/** An empty C string. */
const NO_PASSPHRASE = new NativeBuffer(1);

/**
 * Generates a self-signed certificate (ECDSA, P-256, valid for 30 days) and its key.
 *
 * @param names subject alternative names: `DNS:localhost`, `IP:127.0.0.1`
 * @throws {AppError} E_PLATFORM without OpenSSL, E_SYSTEM on failure
 */
export function selfSignedIdentity(names: readonly string[]): PemIdentity {
  const c = certificateFunctions();
  const pair = c.EC_KEY_new_by_curve_name(NID_P256);
  const key = c.EVP_PKEY_new();
  const certificate = c.X509_new();
  try {
    check(c.EC_KEY_generate_key(pair));
    check(c.EVP_PKEY_assign(key, EVP_PKEY_EC, pair));
    check(c.X509_set_version(certificate, X509_V3));
    check(c.ASN1_INTEGER_set(c.X509_get_serialNumber(certificate), 1 + Math.floor(Math.random() * 2 ** 31)));
    c.X509_gmtime_adj(c.X509_getm_notBefore(certificate), -EARLIER_SEC);
    c.X509_gmtime_adj(c.X509_getm_notAfter(certificate), DAYS * DAY_SEC);
    check(c.X509_set_pubkey(certificate, key));
    const name = c.X509_get_subject_name(certificate);
    check(c.X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, "fourtuple", -1, -1, 0));
    check(c.X509_set_issuer_name(certificate, name));
    const extension = check(c.X509V3_EXT_conf_nid(0, 0, NID_SUBJECT_ALT_NAME, names.join(",")));
    check(c.X509_add_ext(certificate, extension, -1));
    c.X509_EXTENSION_free(extension);
    check(c.X509_sign(certificate, key, c.EVP_sha256()));
    return {
      certificate: written((bio) => c.PEM_write_bio_X509(bio, certificate)),
      key: written((bio) => c.PEM_write_bio_PrivateKey(bio, key, 0, 0, 0, 0, 0)),
    };
  } finally {
    c.X509_free(certificate);
    c.EVP_PKEY_free(key);
  }
}

/**
 * Returns the SHA-256 of a context's certificate in the format of `openssl x509 -fingerprint`; undefined if the
 * context has no certificate.
 */
export function fingerprintOf(context: number): string | undefined {
  const certificate = openssl().SSL_CTX_get0_certificate(context);
  if (certificate === 0) return undefined;
  const { X509_digest, EVP_sha256 } = certificateFunctions();
  const digest = new NativeBuffer(SHA256_BYTES);
  check(X509_digest(certificate, EVP_sha256(), digest.address, 0));
  return [...digest.bytes].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(":");
}

/**
 * Sets a context's certificate and key, if there are any.
 *
 * @throws {AppError} E_OPTION for files that OpenSSL rejects
 */
export function useIdentity(context: number, { cert, key, identity }: TlsSettings): void {
  if (identity) useMemory(context, identity);
  else if (cert !== undefined) useFiles(context, cert, key ?? cert);
}

function useFiles(context: number, cert: string, key: string): void {
  const ssl = openssl();
  // Always pass a passphrase: without one, OpenSSL would prompt on the terminal for the passphrase of an encrypted
  // key.
  ssl.SSL_CTX_set_default_passwd_cb_userdata(context, NO_PASSPHRASE.address);
  if (ssl.SSL_CTX_use_certificate_chain_file(context, cert) !== 1) {
    throw new AppError("E_OPTION", `--cert: no certificate could be read from ${quoted(cert)}`, {
      fix: "use a readable PEM file with the certificate, followed by its intermediate certificates",
    });
  }
  if (ssl.SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) === 1) return;
  if (isEncrypted(key)) {
    throw new AppError("E_OPTION", `--key: the key in ${quoted(key)} is encrypted`, {
      fix: `decrypt it into another file: openssl pkey -in ${quoted(key)} -out key.pem`,
    });
  }
  throw new AppError(
    "E_OPTION",
    `--key: ${quoted(key)} does not contain the key of the certificate in ${quoted(cert)}`,
    {
      fix: "use the certificate's private key in PEM, without a passphrase",
    },
  );
}

function isEncrypted(file: string): boolean {
  try {
    return /^(-----BEGIN ENCRYPTED |Proc-Type: 4,ENCRYPTED)/m.test(readFileSync(file, "latin1"));
  } catch {
    return false;
  }
}

function useMemory(context: number, { certificate, key }: PemIdentity): void {
  const { SSL_CTX_use_certificate, SSL_CTX_use_PrivateKey } = openssl();
  const c = certificateFunctions();
  const x509 = check(reading(certificate, (bio) => c.PEM_read_bio_X509(bio, 0, 0, 0)));
  const pkey = check(reading(key, (bio) => c.PEM_read_bio_PrivateKey(bio, 0, 0, 0)));
  check(SSL_CTX_use_certificate(context, x509));
  check(SSL_CTX_use_PrivateKey(context, pkey));
  // The context holds references of its own.
  c.X509_free(x509);
  c.EVP_PKEY_free(pkey);
}

function reading(pem: string, read: (bio: number) => number): number {
  const { BIO_new, BIO_s_mem, BIO_write, BIO_free } = openssl();
  const bio = BIO_new(BIO_s_mem());
  const bytes = NativeBuffer.from(Buffer.from(pem));
  BIO_write(bio, bytes.address, bytes.bytes.length);
  const made = read(bio);
  BIO_free(bio);
  return made;
}

function written(write: (bio: number) => number): string {
  const { BIO_new, BIO_s_mem, BIO_read, BIO_free } = openssl();
  const bio = BIO_new(BIO_s_mem());
  check(write(bio));
  const pem = new NativeBuffer(LONGEST_PEM);
  const length = BIO_read(bio, pem.address, LONGEST_PEM);
  BIO_free(bio);
  return pem.bytes.toString("latin1", 0, length);
}

function check(result: number): number {
  if (result > 0) return result;
  throw new AppError("E_SYSTEM", "OpenSSL could not create a certificate", {
    fix: "pass a certificate with --cert and --key, or free memory",
  });
}
