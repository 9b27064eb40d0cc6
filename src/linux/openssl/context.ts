// Creates SSL_CTX objects from settings. A worker's TLS connections in one role share a context, which must be released
// with freeContext().

import { existsSync } from "node:fs";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { callbackOf, NativeBuffer } from "../syscalls/libc.js";
import { alpnSelector, encodeAlpn } from "./alpn.js";
import { useIdentity } from "./certificate.js";
import {
  SSL_CTRL_MODE,
  SSL_CTRL_SET_MAX_PROTO_VERSION,
  SSL_CTRL_SET_MIN_PROTO_VERSION,
  SSL_CTRL_SET_SESS_CACHE_MODE,
  SSL_CTRL_SET_TLSEXT_TICKET_KEYS,
  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
  SSL_MODE_ENABLE_PARTIAL_WRITE,
  SSL_MODE_RELEASE_BUFFERS,
  SSL_OP_CIPHER_SERVER_PREFERENCE,
  SSL_OP_NO_RENEGOTIATION,
  SSL_OP_NO_TICKET,
  SSL_SESS_CACHE_OFF,
  SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
  SSL_VERIFY_NONE,
  SSL_VERIFY_PEER,
  TLS1_2_VERSION,
  TLS1_3_VERSION,
} from "./constants.js";
import { openssl } from "./library.js";
import type { TlsSettings } from "./settings.js";

/** Where distributions keep trusted CA certificates. */
const SYSTEM_CAS = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const CONNECTION_MODE = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS;
/** ALPN callbacks, by server context. */
const selectors = new Map<number, ReturnType<typeof callbackOf>>();
const SESSION_ID_CONTEXT = Buffer.from("fourtuple");

/**
 * Creates a client's context.
 *
 * @throws {AppError} E_PLATFORM without OpenSSL, E_OPTION for a file or list that OpenSSL rejects
 */
export function clientContext(settings: TlsSettings): number {
  const context = openssl().SSL_CTX_new(openssl().TLS_client_method());
  return configured(context, () => {
    useCommon(context, settings);
    useIdentity(context, settings);
    const { alpn, insecure, ca } = settings;
    if (!insecure) trust(context, ca ?? systemCas());
    openssl().SSL_CTX_set_verify(context, insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, 0);
    if (alpn.length === 0) return;
    const protocols = NativeBuffer.from(encodeAlpn(alpn));
    openssl().SSL_CTX_set_alpn_protos(context, protocols.address, protocols.bytes.length);
  });
}

/**
 * Creates a server's context, which needs an identity.
 * @throws as clientContext()
 */
export function serverContext(settings: TlsSettings): number {
  const ssl = openssl();
  const context = ssl.SSL_CTX_new(ssl.TLS_server_method());
  return configured(context, () => {
    useCommon(context, settings);
    ssl.SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    useIdentity(context, settings);
    const { alpn, ca, ticketKeys } = settings;
    if (ca !== undefined) {
      trust(context, ca);
      ssl.SSL_CTX_set_client_CA_list(context, ssl.SSL_load_client_CA_file(ca));
      ssl.SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, 0);
    }
    const id = NativeBuffer.from(SESSION_ID_CONTEXT);
    ssl.SSL_CTX_set_session_id_context(context, id.address, SESSION_ID_CONTEXT.length);
    ssl.SSL_CTX_set_num_tickets(context, ticketKeys ? 1 : 0);
    if (ticketKeys) {
      const keys = NativeBuffer.from(ticketKeys);
      ssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_TLSEXT_TICKET_KEYS, ticketKeys.length, keys.address);
    } else ssl.SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    if (alpn.length === 0) return;
    const selector = callbackOf(...alpnSelector(alpn));
    selectors.set(context, selector);
    ssl.SSL_CTX_set_alpn_select_cb(context, selector.address, 0);
  });
}

/** Releases a context. Existing connections keep the context alive. */
export function freeContext(context: number): void {
  openssl().SSL_CTX_free(context);
  selectors.get(context)?.release();
  selectors.delete(context);
}

function configured(context: number, configure: () => void): number {
  try {
    configure();
    return context;
  } catch (error) {
    freeContext(context);
    throw error;
  } finally {
    openssl().ERR_clear_error();
  }
}

function useCommon(context: number, { version, ciphers }: TlsSettings): void {
  const { SSL_CTX_ctrl, SSL_CTX_set_options } = openssl();
  const least = version === "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION;
  const most = version === "1.2" ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, least, 0);
  SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, most, 0);
  SSL_CTX_ctrl(context, SSL_CTRL_MODE, CONNECTION_MODE, 0);
  SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, 0);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  if (ciphers !== undefined) useCiphers(context, ciphers);
}

function useCiphers(context: number, ciphers: string): void {
  const names = ciphers.split(":").filter((name) => name !== "");
  const suites = names.filter((name) => name.startsWith("TLS_"));
  const list = names.filter((name) => !name.startsWith("TLS_"));
  const { SSL_CTX_set_ciphersuites, SSL_CTX_set_cipher_list } = openssl();
  const isTaken =
    names.length > 0 &&
    (suites.length === 0 || SSL_CTX_set_ciphersuites(context, suites.join(":")) === 1) &&
    (list.length === 0 || SSL_CTX_set_cipher_list(context, list.join(":")) === 1);
  if (isTaken) return;
  throw new AppError("E_OPTION", `--ciphers: OpenSSL knows none of ${quoted(ciphers)}`, {
    fix: "use a list that `openssl ciphers` accepts, such as ECDHE+AESGCM or TLS_AES_128_GCM_SHA256",
  });
}

function trust(context: number, file: string | undefined): void {
  if (file === undefined) {
    throw new AppError("E_OPTION", "no CA certificates were found on this host", {
      fix: "install ca-certificates, pass the CA's certificate with --ca, or skip verification with --insecure",
    });
  }
  if (openssl().SSL_CTX_load_verify_file(context, file) === 1) return;
  throw new AppError("E_OPTION", `--ca: no certificates could be read from ${quoted(file)}`, {
    fix: "use a readable PEM file with certificates (-----BEGIN CERTIFICATE-----)",
  });
}

function systemCas(): string | undefined {
  const own = process.env.SSL_CERT_FILE;
  return own ? own : SYSTEM_CAS.find((file) => existsSync(file));
}
