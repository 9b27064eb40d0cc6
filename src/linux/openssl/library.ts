// Typed bindings for OpenSSL: the copy in the Node executable, whose symbols official builds export, or else the
// system's library. The library is loaded on first use of TLS. Pointers are addresses; 0 is NULL.

import { AppError } from "../../util/errors.js";
import { type Call, loadLibrary } from "../syscalls/libc.js";

/** The system's libraries of OpenSSL 3: one for the SSL_… functions, and one for the rest. */
const SYSTEM = ["libssl.so.3", "libcrypto.so.3"];

const PROTOTYPES = {
  BIO_ctrl: "long BIO_ctrl(uintptr_t bio, int command, long number, uintptr_t pointer)",
  BIO_free: "int BIO_free(uintptr_t bio)",
  BIO_new: "uintptr_t BIO_new(uintptr_t method)",
  BIO_read: "int BIO_read(uintptr_t bio, uintptr_t buffer, int length)",
  BIO_s_mem: "uintptr_t BIO_s_mem()",
  BIO_up_ref: "int BIO_up_ref(uintptr_t bio)",
  BIO_write: "int BIO_write(uintptr_t bio, uintptr_t buffer, int length)",
  ERR_clear_error: "void ERR_clear_error()",
  ERR_peek_error: "unsigned long ERR_peek_error()",
  SSL_CTX_ctrl: "long SSL_CTX_ctrl(uintptr_t context, int command, long number, uintptr_t pointer)",
  SSL_CTX_free: "void SSL_CTX_free(uintptr_t context)",
  SSL_CTX_load_verify_file: "int SSL_CTX_load_verify_file(uintptr_t context, const char *file)",
  SSL_CTX_new: "uintptr_t SSL_CTX_new(uintptr_t method)",
  SSL_CTX_set_alpn_protos: "int SSL_CTX_set_alpn_protos(uintptr_t context, uintptr_t protocols, unsigned int length)",
  SSL_CTX_set_alpn_select_cb:
    "void SSL_CTX_set_alpn_select_cb(uintptr_t context, uintptr_t callback, uintptr_t argument)",
  SSL_CTX_set_cipher_list: "int SSL_CTX_set_cipher_list(uintptr_t context, const char *list)",
  SSL_CTX_set_ciphersuites: "int SSL_CTX_set_ciphersuites(uintptr_t context, const char *list)",
  SSL_CTX_set_client_CA_list: "void SSL_CTX_set_client_CA_list(uintptr_t context, uintptr_t names)",
  SSL_CTX_set_num_tickets: "int SSL_CTX_set_num_tickets(uintptr_t context, size_t count)",
  SSL_CTX_set_options: "uint64_t SSL_CTX_set_options(uintptr_t context, uint64_t options)",
  SSL_CTX_set_session_id_context:
    "int SSL_CTX_set_session_id_context(uintptr_t context, uintptr_t id, unsigned int length)",
  SSL_CTX_set_verify: "void SSL_CTX_set_verify(uintptr_t context, int mode, uintptr_t callback)",
  SSL_CTX_use_PrivateKey: "int SSL_CTX_use_PrivateKey(uintptr_t context, uintptr_t key)",
  SSL_CTX_use_PrivateKey_file: "int SSL_CTX_use_PrivateKey_file(uintptr_t context, const char *file, int type)",
  SSL_CTX_use_certificate: "int SSL_CTX_use_certificate(uintptr_t context, uintptr_t certificate)",
  SSL_CTX_use_certificate_chain_file: "int SSL_CTX_use_certificate_chain_file(uintptr_t context, const char *file)",
  SSL_CTX_get0_certificate: "uintptr_t SSL_CTX_get0_certificate(uintptr_t context)",
  SSL_SESSION_free: "void SSL_SESSION_free(uintptr_t session)",
  SSL_SESSION_is_resumable: "int SSL_SESSION_is_resumable(uintptr_t session)",
  SSL_ctrl: "long SSL_ctrl(uintptr_t ssl, int command, long number, const char *text)",
  SSL_do_handshake: "int SSL_do_handshake(uintptr_t ssl)",
  SSL_free: "void SSL_free(uintptr_t ssl)",
  SSL_get0_param: "uintptr_t SSL_get0_param(uintptr_t ssl)",
  SSL_get1_session: "uintptr_t SSL_get1_session(uintptr_t ssl)",
  SSL_get_error: "int SSL_get_error(uintptr_t ssl, int result)",
  SSL_get_verify_result: "long SSL_get_verify_result(uintptr_t ssl)",
  SSL_load_client_CA_file: "uintptr_t SSL_load_client_CA_file(const char *file)",
  SSL_new: "uintptr_t SSL_new(uintptr_t context)",
  SSL_peek: "int SSL_peek(uintptr_t ssl, uintptr_t buffer, int length)",
  SSL_read: "int SSL_read(uintptr_t ssl, uintptr_t buffer, int length)",
  SSL_session_reused: "int SSL_session_reused(uintptr_t ssl)",
  SSL_CTX_set_default_passwd_cb_userdata:
    "void SSL_CTX_set_default_passwd_cb_userdata(uintptr_t context, uintptr_t data)",
  SSL_set1_host: "int SSL_set1_host(uintptr_t ssl, const char *name)",
  SSL_set_accept_state: "void SSL_set_accept_state(uintptr_t ssl)",
  SSL_set_bio: "void SSL_set_bio(uintptr_t ssl, uintptr_t in, uintptr_t out)",
  SSL_set_connect_state: "void SSL_set_connect_state(uintptr_t ssl)",
  SSL_set_session: "int SSL_set_session(uintptr_t ssl, uintptr_t session)",
  SSL_set_shutdown: "void SSL_set_shutdown(uintptr_t ssl, int mode)",
  SSL_shutdown: "int SSL_shutdown(uintptr_t ssl)",
  SSL_write: "int SSL_write(uintptr_t ssl, uintptr_t buffer, int length)",
  TLS_client_method: "uintptr_t TLS_client_method()",
  TLS_server_method: "uintptr_t TLS_server_method()",
  X509_VERIFY_PARAM_set1_ip_asc: "int X509_VERIFY_PARAM_set1_ip_asc(uintptr_t parameters, const char *ip)",
} as const;

/** Functions for generating a certificate, for servers that were not given one. */
const CERTIFICATE_PROTOTYPES = {
  ASN1_INTEGER_set: "int ASN1_INTEGER_set(uintptr_t number, long value)",
  EVP_PKEY_free: "void EVP_PKEY_free(uintptr_t key)",
  EVP_PKEY_new: "uintptr_t EVP_PKEY_new()",
  EVP_PKEY_assign: "int EVP_PKEY_assign(uintptr_t key, int type, uintptr_t inner)",
  EVP_sha256: "uintptr_t EVP_sha256()",
  EC_KEY_new_by_curve_name: "uintptr_t EC_KEY_new_by_curve_name(int curve)",
  EC_KEY_generate_key: "int EC_KEY_generate_key(uintptr_t key)",
  PEM_read_bio_PrivateKey:
    "uintptr_t PEM_read_bio_PrivateKey(uintptr_t bio, uintptr_t into, uintptr_t asked, uintptr_t user)",
  PEM_read_bio_X509: "uintptr_t PEM_read_bio_X509(uintptr_t bio, uintptr_t into, uintptr_t asked, uintptr_t user)",
  PEM_write_bio_PrivateKey:
    "int PEM_write_bio_PrivateKey(uintptr_t bio, uintptr_t key, uintptr_t cipher, uintptr_t secret, int length, uintptr_t asked, uintptr_t user)",
  PEM_write_bio_X509: "int PEM_write_bio_X509(uintptr_t bio, uintptr_t certificate)",
  X509V3_EXT_conf_nid:
    "uintptr_t X509V3_EXT_conf_nid(uintptr_t options, uintptr_t context, int kind, const char *value)",
  X509_EXTENSION_free: "void X509_EXTENSION_free(uintptr_t extension)",
  X509_NAME_add_entry_by_txt:
    "int X509_NAME_add_entry_by_txt(uintptr_t name, const char *field, int type, const char *value, int length, int place, int set)",
  X509_add_ext: "int X509_add_ext(uintptr_t certificate, uintptr_t extension, int place)",
  X509_digest: "int X509_digest(uintptr_t certificate, uintptr_t hash, uintptr_t digest, uintptr_t length)",
  X509_free: "void X509_free(uintptr_t certificate)",
  X509_get_serialNumber: "uintptr_t X509_get_serialNumber(uintptr_t certificate)",
  X509_get_subject_name: "uintptr_t X509_get_subject_name(uintptr_t certificate)",
  X509_getm_notAfter: "uintptr_t X509_getm_notAfter(uintptr_t certificate)",
  X509_getm_notBefore: "uintptr_t X509_getm_notBefore(uintptr_t certificate)",
  X509_gmtime_adj: "uintptr_t X509_gmtime_adj(uintptr_t time, long seconds)",
  X509_new: "uintptr_t X509_new()",
  X509_set_issuer_name: "int X509_set_issuer_name(uintptr_t certificate, uintptr_t name)",
  X509_set_pubkey: "int X509_set_pubkey(uintptr_t certificate, uintptr_t key)",
  X509_set_version: "int X509_set_version(uintptr_t certificate, long version)",
  X509_sign: "int X509_sign(uintptr_t certificate, uintptr_t key, uintptr_t hash)",
} as const;

type Functions<P> = { readonly [name in keyof P]: (...args: (number | string)[]) => number };

export type OpenSsl = Functions<typeof PROTOTYPES>;
export type CertificateFunctions = Functions<typeof CERTIFICATE_PROTOTYPES>;

let loaded: OpenSsl | undefined;
let loadedForCertificates: CertificateFunctions | undefined;

/**
 * Returns OpenSSL's functions, loaded on the first call in this thread.
 *
 * @throws {AppError} E_PLATFORM if neither Node nor the system provides OpenSSL 3
 */
export function openssl(): OpenSsl {
  loaded ??= bind(PROTOTYPES);
  return loaded;
}

/** Like openssl(), for the certificate functions. */
export function certificateFunctions(): CertificateFunctions {
  loadedForCertificates ??= bind(CERTIFICATE_PROTOTYPES);
  return loadedForCertificates;
}

function bind<P extends Record<string, string>>(prototypes: P): Functions<P> {
  const sources = candidates();
  const entries = Object.entries(prototypes).map(([name, prototype]) => [name, find(sources, prototype)]);
  return Object.fromEntries(entries) as Functions<P>;
}

type Find = (prototype: string) => Call;

/** Returns the libraries to search, in order. Node's copy and the system's are never mixed. */
function candidates(): readonly Find[] {
  const program = loadLibrary(null);
  if (isIn(program)) return [program];
  try {
    return SYSTEM.map(loadLibrary);
  } catch (cause) {
    throw missing(cause);
  }
}

/**
 * Returns whether a library provides OpenSSL 3.0, which introduced this function. Never mix structs of different
 * versions.
 */
function isIn(library: Find): boolean {
  try {
    library("int SSL_CTX_load_verify_file(uintptr_t context, const char *file)");
    return true;
  } catch {
    return false;
  }
}

function find(sources: readonly Find[], prototype: string): Call {
  let cause: unknown;
  for (const source of sources) {
    try {
      return source(prototype);
    } catch (error) {
      cause = error;
    }
  }
  throw missing(cause);
}

function missing(cause: unknown): AppError {
  return new AppError("E_PLATFORM", "TLS is not available: neither this Node nor the system has OpenSSL 3", {
    fix: `use an official build of Node, or install ${SYSTEM[0]} (Debian: apt install libssl3; Alpine: apk add libssl3)`,
    cause,
    facts: { node: process.versions.node },
  });
}
