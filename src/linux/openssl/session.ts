// The TLS connections of one worker: an SSL object each, and one pair of memory BIOs that all of them share. Ciphertext is put into the
// one right before a call and taken out of the other right after it, so that a connection at rest has no buffers at all.

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

/** What a call comes to that has no bytes to tell of: below zero, where errnos are. */
export const TLS_AGAIN = -1;
/** The peer has said that it sends no more (close_notify). */
export const TLS_END = -2;
/** See `failure`. */
export const TLS_FAILED = -3;

/** Whom a client's connection is to reach. */
export interface TlsPeer {
  /** Host name or IP address: what the certificate has to name. */
  readonly host: string;
  readonly isIp: boolean;
}

export class TlsSessions {
  /** The code of the last call that came to TLS_FAILED (codes.ts). */
  failure = 0;
  private readonly ssl: OpenSsl = openssl();
  private readonly context: number;
  private readonly input: number;
  private readonly output: number;

  /** @param context of the role; whoever made it frees it */
  constructor(context: number) {
    const { BIO_new, BIO_s_mem } = this.ssl;
    this.context = context;
    this.input = BIO_new(BIO_s_mem());
    this.output = BIO_new(BIO_s_mem());
  }

  /** A client's end of a new connection, or 0 where memory is out. @param session to use again, or 0 */
  connect({ host, isIp }: TlsPeer, session: number): number {
    const { ssl } = this;
    const made = this.make();
    if (made === 0) return 0;
    ssl.SSL_set_connect_state(made);
    // Names alone are asked for (RFC 6066, 3); addresses are checked in the certificate.
    if (!isIp) ssl.SSL_ctrl(made, SSL_CTRL_SET_TLSEXT_HOSTNAME, 0, host);
    const isExpected = isIp
      ? ssl.X509_VERIFY_PARAM_set1_ip_asc(ssl.SSL_get0_param(made), host)
      : ssl.SSL_set1_host(made, host);
    if (isExpected !== 1) {
      // Without it every name would do.
      this.free(made);
      this.ssl.ERR_clear_error();
      return 0;
    }
    if (session !== 0) ssl.SSL_set_session(made, session);
    return made;
  }

  /** A server's end of a new connection, or 0 where memory is out. */
  accept(): number {
    const made = this.make();
    if (made !== 0) this.ssl.SSL_set_accept_state(made);
    return made;
  }

  /** Frees a connection; its session stays as good as it was. */
  free(connection: number): void {
    this.ssl.SSL_set_shutdown(connection, SSL_BOTH_SHUTDOWN);
    this.ssl.SSL_free(connection);
  }

  /** Ciphertext that has come, for the calls that follow. */
  feed(address: number, length: number): void {
    if (length > 0) this.ssl.BIO_write(this.input, address, length);
  }

  /** How much of what was fed no call has used. */
  get unused(): number {
    return this.ssl.BIO_ctrl(this.input, BIO_CTRL_PENDING, 0, 0);
  }

  /** Forgets what no call has used: what is fed next may be another connection's. */
  clearInput(): void {
    this.ssl.BIO_ctrl(this.input, BIO_CTRL_RESET, 0, 0);
  }

  /** Ciphertext to send, up to `buffer`'s length; 0 when there is none. To be taken after every call that may have made some. */
  takeOutput(buffer: NativeBuffer): number {
    return Math.max(0, this.ssl.BIO_read(this.output, buffer.address, buffer.bytes.length));
  }

  /** Goes on with the handshake. @returns 0 when it is done, TLS_AGAIN or TLS_FAILED */
  handshake(connection: number): number {
    const result = this.ssl.SSL_do_handshake(connection);
    return result === 1 ? 0 : this.explain(connection, result);
  }

  /** Bytes decrypted into `buffer`, TLS_AGAIN, TLS_END or TLS_FAILED. */
  read(connection: number, buffer: NativeBuffer): number {
    const length = this.ssl.SSL_read(connection, buffer.address, buffer.bytes.length);
    return length > 0 ? length : this.explain(connection, length);
  }

  /** As read(), and what is read can be read again. */
  peek(connection: number, buffer: NativeBuffer): number {
    const length = this.ssl.SSL_peek(connection, buffer.address, buffer.bytes.length);
    return length > 0 ? length : this.explain(connection, length);
  }

  /** Takes out `length` bytes that peek() has shown. */
  discard(connection: number, buffer: NativeBuffer, length: number): void {
    this.ssl.SSL_read(connection, buffer.address, length);
  }

  /** Bytes encrypted of `length` at `address`, TLS_AGAIN or TLS_FAILED. */
  write(connection: number, address: number, length: number): number {
    const written = this.ssl.SSL_write(connection, address, length);
    return written > 0 ? written : this.explain(connection, written);
  }

  /** Says that no more is sent (close_notify). */
  shutdown(connection: number): void {
    if (this.ssl.SSL_shutdown(connection) < 0) this.ssl.ERR_clear_error();
  }

  /** Whether the handshake used an earlier session again. */
  isResumed(connection: number): boolean {
    return this.ssl.SSL_session_reused(connection) === 1;
  }

  /** The connection's session where it can be used again, else 0; to be given back by freeSession(). */
  takeSession(connection: number): number {
    const session = this.ssl.SSL_get1_session(connection);
    if (session === 0 || this.ssl.SSL_SESSION_is_resumable(session) === 1) return session;
    this.freeSession(session);
    return 0;
  }

  freeSession(session: number): void {
    this.ssl.SSL_SESSION_free(session);
  }

  /** Gives the shared buffers back. */
  dispose(): void {
    this.ssl.BIO_free(this.input);
    this.ssl.BIO_free(this.output);
  }

  private make(): number {
    const { ssl } = this;
    const made = ssl.SSL_new(this.context);
    if (made === 0) return 0;
    // Each SSL has a reference of its own, and gives it back.
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
