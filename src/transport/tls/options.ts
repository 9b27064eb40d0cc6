// The TLS options for a worker's connections, in addition to those of its transport.
import type { TlsPeer } from "../../linux/openssl/session.js";
import type { Transport } from "../contract.js";

/** Handshake events, reported from within turn(). */
export interface TlsEvents {
  /**
   * Called when the handshake has completed, before opened() and before any data that follows the
   * handshake.
   * @param isResumed whether an earlier session was resumed
   */
  secured(slot: number, isResumed: boolean): void;
}

/** Additional events for a client. */
export interface ClientTlsEvents extends TlsEvents {
  /**
   * Called when the TCP connection is ESTABLISHED, and the handshake is about to start.
   *
   * @param below transport for sending plaintext ahead of the handshake
   */
  established(slot: number, below: Transport): void;
}

interface Tls {
  /** The SSL_CTX of the role (linux/openssl/context.ts). The transport takes ownership. */
  readonly context: number;
  readonly freeContext: (context: number) => void;
}

export interface ClientTls extends Tls {
  readonly events: ClientTlsEvents;
  readonly peers: readonly TlsPeer[];
  /** Returns the index in `peers` for the connection in `slot`. */
  peerOf(slot: number): number;
  /** Whether sessions are resumed. */
  readonly resumes: boolean;
}

export interface ServerTls extends Tls {
  readonly events: TlsEvents;
  /** Timeout for the handshake. */
  readonly handshakeTimeoutMs: number;
}
