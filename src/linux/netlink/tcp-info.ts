// struct tcp_info (linux/tcp.h) as returned in sock_diag's INET_DIAG_INFO. New kernels append fields, so older ones
// return a shorter struct.

/** Statistics of a connection. */
export interface SocketInfo {
  /** Smoothed round-trip time and its mean deviation. */
  readonly rttMicros: number;
  readonly rttDeviationMicros: number;
  /** Number of retransmission timeouts for unacknowledged data. */
  readonly retransmits: number;
  /** Total number of retransmitted segments, including SYNs. */
  readonly totalRetransmits: number;
  /** Number of unacknowledged segments; for a LISTEN socket, the length of its accept queue. */
  readonly unackedSegments: number;
  /** Congestion window in segments. */
  readonly congestionWindow: number;
  /**
   * Number of bytes of the stream, each counted once; a SYN counts as one acknowledged byte. Undefined before Linux
   * 4.1.
   */
  readonly ackedBytes: number | undefined;
  readonly receivedBytes: number | undefined;
  /** Bytes sent, including retransmissions. Undefined before Linux 4.19. */
  readonly sentBytes: number | undefined;
  readonly retransmittedBytes: number | undefined;
  /** Number of segments, including those without data. Undefined before Linux 4.2. */
  readonly sentSegments: number | undefined;
  readonly receivedSegments: number | undefined;
  /** Largest segment to send, and the peer's receive window. The window is undefined before Linux 5.4. */
  readonly sendMssBytes: number;
  readonly sendWindowBytes: number | undefined;
}

/** Offsets of the fields. */
const FIELD = {
  retransmits: 2,
  sendMss: 16,
  unacked: 24,
  rtt: 68,
  rttvar: 72,
  sndCwnd: 80,
  totalRetrans: 100,
  bytesAcked: 120,
  bytesReceived: 128,
  segsOut: 136,
  segsIn: 140,
  bytesSent: 200,
  bytesRetrans: 208,
  sendWindow: 228,
} as const;
/** Size up to total_retrans, which has existed since Linux 2.6. */
const LEAST_BYTES = 104;

/**
 * Reads a struct tcp_info of `length` bytes at `at`, a multiple of four.
 *
 * @returns undefined if the struct is too short
 */
export function decodeTcpInfo(bytes: Uint8Array, at: number, length: number): SocketInfo | undefined {
  if (length < LEAST_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, length);
  const word = (field: number) => view.getUint32(field, true);
  const newerWord = (field: number) => (field + 4 <= length ? word(field) : undefined);
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
    sentSegments: newerWord(FIELD.segsOut),
    receivedSegments: newerWord(FIELD.segsIn),
    sendMssBytes: word(FIELD.sendMss),
    sendWindowBytes: newerWord(FIELD.sendWindow),
  };
}
