// The socket table's sum as one plain object: the same for the terminal, JSON and the library's caller.
import type { ListenerRow } from "./listeners/listeners.js";
import type { SourceName } from "./query.js";
import type { TcpState } from "./view.js";

/** A ranking's best rows out of `distinct`. */
export interface Ranking<Row> {
  readonly distinct: number;
  /** Most sockets first. */
  readonly top: readonly Row[];
}

export interface PortRow {
  readonly port: number;
  readonly sockets: number;
  readonly established: number;
  readonly isListening: boolean;
}

export interface AddressRow {
  readonly ip: string;
  readonly sockets: number;
}

/** A local endpoint that a listening socket is on, with what it accepted. */
export interface AcceptedRow {
  readonly ip: string;
  readonly port: number;
  /** Without the LISTEN socket itself. */
  readonly sockets: number;
  readonly established: number;
  /** Distinct peer addresses. */
  readonly peers: number;
}

/** A remote endpoint that sockets of this namespace opened connections to. */
export interface DestinationRow {
  readonly ip: string;
  readonly port: number;
  readonly sockets: number;
  readonly established: number;
  readonly timeWait: number;
  /** Distinct source addresses. */
  readonly sources: number;
}

/** Kernel memory of the sockets summed up, in bytes (SK_MEMINFO_*). */
export interface MemorySummary {
  /** All of what follows, options and backlog. What the socket itself takes (some KiB) is not in it. */
  readonly chargedBytes: number;
  readonly receiveAllocBytes: number;
  readonly sendQueuedBytes: number;
  readonly forwardAllocBytes: number;
  /** Sockets that were measured: LISTEN ones are not, TIME_WAIT and requests in the SYN queue have none. */
  readonly sockets: number;
  readonly maxChargedBytes: number;
}

/** The socket table in sum: one plain object. */
export interface SocketTable {
  readonly kind: "sockets";
  readonly version: 1;
  readonly takenAt: string;
  readonly elapsedMs: number;
  readonly source: SourceName;
  /** Why it was not sock_diag, as an errno's name. */
  readonly fallbackErrno: string | undefined;
  readonly wasInterrupted: boolean;
  /** Sockets that met the filter, LISTEN ones included. */
  readonly sockets: number;
  readonly byFamily: { readonly ipv4: number; readonly ipv6: number; readonly mapped: number };
  /** Only states that occur. */
  readonly byState: Readonly<Partial<Record<TcpState, number>>>;
  readonly byLocalPort: Ranking<PortRow>;
  /** LISTEN sockets aside, as in all below. */
  readonly byLocalAddress: Ranking<AddressRow>;
  readonly byPeer: Ranking<AddressRow>;
  /** Connections that listening sockets of this namespace accepted, by local endpoint. */
  readonly accepted: Ranking<AcceptedRow>;
  /** Connections opened from here, by remote endpoint. */
  readonly byDestination: Ranking<DestinationRow>;
  /** Sockets accepted / opened from here (a socket whose listener is gone counts as opened). */
  readonly incoming: number;
  readonly outgoing: number;
  /** LISTEN sockets that met the filter's addresses and ports (0.0.0.0 and :: included), whatever states it asks for. */
  readonly listeners: readonly ListenerRow[];
  /** The kernel's counters since boot, of all listening sockets of the namespace; undefined where /proc has none. */
  readonly counters: { readonly listenOverflows: number | undefined; readonly listenDrops: number | undefined };
  readonly memory: MemorySummary | undefined;
}
