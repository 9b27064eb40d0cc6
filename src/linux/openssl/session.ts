// One worker's TLS connections. Each connection has an SSL object, and all share one pair of memory BIOs: ciphertext is
// written to one BIO before a call and read from the other after it, so an idle connection needs no buffers.

import type { NativeBuffer } from "../syscalls/libc.js";
import {
  BIO_CTRL_PENDING,
  BIO_CTRL_RESET,
  SSL_BOTH_SHUTDOWN,
  SSL_CTRL_SET_TLSEXT_HOSTNAME,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_ZERO_RETURN,
} from "./constants.js";
import { takeFailure } from "./failure.js";
import { type OpenSsl, openssl } from "./library.js";

/** Result of a call that needs more ciphertext. The value is negative, to distinguish it from byte counts. */
export const TLS_AGAIN = -1;
/** The peer has sent close_notify. */
export const TLS_END = -2;
/** The call failed; see `failure`. */
export const TLS_FAILED = -3;

/** The server that a client expects to reach. */
export interface TlsPeer {
  /** Host name or IP address that the certificate must contain. */
  readonly host: string;
  readonly isIp: boolean;
}

export class TlsSessions {
  /** Code of the last TLS_FAILED (codes.ts). */
  failure = 0;
  private readonly ssl: OpenSsl = openssl();
  private readonly context: number;
  private readonly input: number;
  private readonly output: number;

  /**
   * @param context the role's context, which the caller frees
   */
  constructor(context: number) {
    const { BIO_new, BIO_s_mem } = this.ssl;
    this.context = context;
    this.input = BIO_new(BIO_s_mem());
    this.output = BIO_new(BIO_s_mem());
  }

  /**
   * Creates a client's SSL object; returns 0 if memory is exhausted.
   * @param session session to resume, or 0
   */
  connect({ host, isIp }: TlsPeer, session: number): number {
    const { ssl } = this;
    const made = this.make();
    if (made === 0) return 0;
    ssl.SSL_set_connect_state(made);
    // SNI supports only names (RFC 6066, section 3). Addresses are checked against the certificate.
    if (!isIp) ssl.SSL_ctrl(made, SSL_CTRL_SET_TLSEXT_HOSTNAME, 0, host);
    const isExpected = isIp
      ? ssl.X509_VERIFY_PARAM_set1_ip_asc(ssl.SSL_get0_param(made), host)
      : ssl.SSL_set1_host(made, host);
    if (isExpected !== 1) {
      // Without this, a certificate for any name would be accepted.
      this.free(made);
      this.ssl.ERR_clear_error();
      return 0;
    }
    if (session !== 0) ssl.SSL_set_session(made, session);
    return made;
  }

  /** Creates a server's SSL object; returns 0 if memory is exhausted. */
  accept(): number {
    const made = this.make();
    if (made !== 0) this.ssl.SSL_set_accept_state(made);
    return made;
  }

  /** Frees a connection. Its session stays resumable. */
  free(connection: number): void {
    this.ssl.SSL_set_shutdown(connection, SSL_BOTH_SHUTDOWN);
    this.ssl.SSL_free(connection);
  }

  /** Supplies received ciphertext for the calls that follow. */
  feed(address: number, length: number): void {
    if (length > 0) this.ssl.BIO_write(this.input, address, length);
  }

  /** Number of bytes that were supplied but not consumed. */
  get unused(): number {
    return this.ssl.BIO_ctrl(this.input, BIO_CTRL_PENDING, 0, 0);
  }

  /** Discards unconsumed input, because the next input may belong to another connection. */
  clearInput(): void {
    this.ssl.BIO_ctrl(this.input, BIO_CTRL_RESET, 0, 0);
  }

  /**
   * Moves ciphertext to send into `buffer`. Returns the number of bytes; 0 if there are none. Call this after every
   * call that may produce ciphertext.
   */
  takeOutput(buffer: NativeBuffer): number {
    return Math.max(0, this.ssl.BIO_read(this.output, buffer.address, buffer.bytes.length));
  }

  /**
   * Continues the handshake.
   * @returns 0 once the handshake has completed; otherwise TLS_AGAIN or TLS_FAILED
   */
  handshake(connection: number): number {
    const result = this.ssl.SSL_do_handshake(connection);
    return result === 1 ? 0 : this.explain(connection, result);
  }

  /** Decrypts into `buffer`. Returns the number of bytes, TLS_AGAIN, TLS_END or TLS_FAILED. */
  read(connection: number, buffer: NativeBuffer): number {
    const length = this.ssl.SSL_read(connection, buffer.address, buffer.bytes.length);
    return length > 0 ? length : this.explain(connection, length);
  }

  /** Like read(), but does not consume the data. */
  peek(connection: number, buffer: NativeBuffer): number {
    const length = this.ssl.SSL_peek(connection, buffer.address, buffer.bytes.length);
    return length > 0 ? length : this.explain(connection, length);
  }

  /** Consumes `length` bytes returned by peek(). */
  discard(connection: number, buffer: NativeBuffer, length: number): void {
    this.ssl.SSL_read(connection, buffer.address, length);
  }

  /** Encrypts `length` bytes at `address`. Returns the number of bytes, TLS_AGAIN or TLS_FAILED. */
  write(connection: number, address: number, length: number): number {
    const written = this.ssl.SSL_write(connection, address, length);
    return written > 0 ? written : this.explain(connection, written);
  }

  /** Sends close_notify. */
  shutdown(connection: number): void {
    if (this.ssl.SSL_shutdown(connection) < 0) this.ssl.ERR_clear_error();
  }

  /** Returns whether the handshake resumed an earlier session. */
  isResumed(connection: number): boolean {
    return this.ssl.SSL_session_reused(connection) === 1;
  }

  /** Returns the connection's session if it is resumable, or 0. Release it with freeSession(). */
  takeSession(connection: number): number {
    const session = this.ssl.SSL_get1_session(connection);
    if (session === 0 || this.ssl.SSL_SESSION_is_resumable(session) === 1) return session;
    this.freeSession(session);
    return 0;
  }

  freeSession(session: number): void {
    this.ssl.SSL_SESSION_free(session);
  }

  /** Frees the shared BIOs. */
  dispose(): void {
    this.ssl.BIO_free(this.input);
    this.ssl.BIO_free(this.output);
  }

  private make(): number {
    const { ssl } = this;
    const made = ssl.SSL_new(this.context);
    if (made === 0) return 0;
    // Each SSL object owns a reference to the BIOs.
    ssl.BIO_up_ref(this.input);
    ssl.BIO_up_ref(this.output);
    ssl.SSL_set_bio(made, this.input, this.output);
    return made;
  }

  private explain(connection: number, result: number): number {
    const error = this.ssl.SSL_get_error(connection, result);
    if (error === SSL_ERROR_WANT_READ) return TLS_AGAIN;
    if (error === SSL_ERROR_ZERO_RETURN) return TLS_END;
    this.failure = takeFailure(connection);
    return TLS_FAILED;
  }
}
