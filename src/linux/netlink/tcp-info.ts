// struct tcp_info (linux/tcp.h), as sock_diag's INET_DIAG_INFO carries it: what the kernel knows of one connection's
// way. Fields were added at its end over the years, so an older kernel's is shorter.

/** What a connection has been through. */
export interface SocketInfo {
  /** Smoothed round-trip time, and its mean deviation. */
  readonly rttMicros: number;
  readonly rttDeviationMicros: number;
  /** Retransmission timeouts of what is not acknowledged yet. */
  readonly retransmits: number;
  /** Segments sent again, SYNs included, since the beginning. */
  readonly totalRetransmits: number;
  /** Segments sent and not acknowledged; of a LISTEN socket, connections in its accept queue. */
  readonly unackedSegments: number;
  /** Congestion window in segments. */
  readonly congestionWindow: number;
  /** Bytes of the stream, each counted once; the SYN counts as one that is acknowledged. undefined before Linux 4.1. */
  readonly ackedBytes: number | undefined;
  readonly receivedBytes: number | undefined;
  /** Bytes sent, retransmitted ones each time. undefined before Linux 4.19. */
  readonly sentBytes: number | undefined;
  readonly retransmittedBytes: number | undefined;
}

/** Where the fields are. */
const FIELD = {
  retransmits: 2,
  unacked: 24,
  rtt: 68,
  rttvar: 72,
  sndCwnd: 80,
  totalRetrans: 100,
  bytesAcked: 120,
  bytesReceived: 128,
  bytesSent: 200,
  bytesRetrans: 208,
} as const;
/** Up to total_retrans, which Linux 2.6 had already. */
const LEAST_BYTES = 104;

/**
 * Reads a struct tcp_info of `length` bytes at `at`, a multiple of four.
 *
 * @returns undefined when it is too short to be one
 */
export function decodeTcpInfo(bytes: Uint8Array, at: number, length: number): SocketInfo | undefined {
  if (length < LEAST_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, length);
  const word = (field: number) => view.getUint32(field, true);
  const long = (field: number) => (field + 8 <= length ? Number(view.getBigUint64(field, true)) : undefined);
  return {
    rttMicros: word(FIELD.rtt),
    rttDeviationMicros: word(FIELD.rttvar),
    retransmits: view.getUint8(FIELD.retransmits),
    totalRetransmits: word(FIELD.totalRetrans),
    unackedSegments: word(FIELD.unacked),
    congestionWindow: word(FIELD.sndCwnd),
    ackedBytes: long(FIELD.bytesAcked),
    receivedBytes: long(FIELD.bytesReceived),
    sentBytes: long(FIELD.bytesSent),
    retransmittedBytes: long(FIELD.bytesRetrans),
  };
}
