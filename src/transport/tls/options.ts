// What TLS is wanted for a worker's connections: beside the options of its transport.
import type { TlsPeer } from "../../linux/openssl/session.js";

/** What is told of handshakes, from inside turn(). */
export interface TlsEvents {
  /** A client's connection is ESTABLISHED: the handshake begins. Not told of a server's, which are accepted(). */
  established(slot: number): void;
  /** The handshake is done. Told before opened(), and before anything that came behind it. @param isResumed by an earlier session */
  secured(slot: number, isResumed: boolean): void;
}

interface Tls {
  /** SSL_CTX of the role (linux/openssl/context.ts): the transport's from now on. */
  readonly context: number;
  readonly freeContext: (context: number) => void;
  readonly events: TlsEvents;
}

export interface ClientTls extends Tls {
  readonly peers: readonly TlsPeer[];
  /** Whom the connection in `slot` goes to, as a place in `peers`. */
  peerOf(slot: number): number;
  /** Sessions are used again. */
  readonly resumes: boolean;
}

export interface ServerTls extends Tls {
  /** A handshake that takes longer has failed. */
  readonly handshakeTimeoutMs: number;
}
