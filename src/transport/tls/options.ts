// What TLS is wanted for a worker's connections: beside the options of its transport.
import type { TlsPeer } from "../../linux/openssl/session.js";
import type { Transport } from "../contract.js";

/** What is told of handshakes, from inside turn(). */
export interface TlsEvents {
  /** The handshake is done. Told before opened(), and before anything that came behind it. @param isResumed by an earlier session */
  secured(slot: number, isResumed: boolean): void;
}

/** What a client is told besides. */
export interface ClientTlsEvents extends TlsEvents {
  /**
   * ESTABLISHED: the handshake begins.
   *
   * @param below what is sent by it now goes in the clear, before the handshake
   */
  established(slot: number, below: Transport): void;
}

interface Tls {
  /** SSL_CTX of the role (linux/openssl/context.ts): the transport's from now on. */
  readonly context: number;
  readonly freeContext: (context: number) => void;
}

export interface ClientTls extends Tls {
  readonly events: ClientTlsEvents;
  readonly peers: readonly TlsPeer[];
  /** Whom the connection in `slot` goes to, as a place in `peers`. */
  peerOf(slot: number): number;
  /** Sessions are used again. */
  readonly resumes: boolean;
}

export interface ServerTls extends Tls {
  readonly events: TlsEvents;
  /** A handshake that takes longer has failed. */
  readonly handshakeTimeoutMs: number;
}
