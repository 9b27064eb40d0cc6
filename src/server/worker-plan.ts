// Shared declarations of the main thread and the server workers: the plan, the shared words and the messages.
import type { ScriptPlan } from "../engine/script/run.js";
import type { TlsSettings } from "../linux/openssl/settings.js";
import type { ServerMode } from "../protocols/modes.js";
import type { ProtocolSpec } from "../protocols/spec/spec.js";
import type { EngineName } from "../results/engine.js";
import type { PacketServerPlan } from "../transport/contract.js";

/** Everything a server worker needs to know, as plain data. */
export interface ServePlan {
  readonly engine: EngineName;
  /** Whether a device without io_uring replaces one whose memory cannot be locked. */
  readonly fallsBack: boolean;
  /**
   * The listening socket, which is opened before the workers start, so that every descriptor table contains it.
   */
  readonly listener: number;
  /** The TUN device and address of a server without kernel sockets. */
  readonly packet: PacketServerPlan | undefined;
  readonly mode: ServerMode;
  readonly greeting: string | Uint8Array | undefined;
  readonly closeAfterGreeting: boolean;
  /** Application protocol; undefined for plain TCP. */
  readonly protocol: ProtocolSpec | undefined;
  /** What a script needs; undefined for other protocols. */
  readonly script: ScriptPlan | undefined;
  /** Timeout for the protocol handshake, from ESTABLISHED to ready. */
  readonly handshakeTimeoutMs: number;
  /** Whether each connection begins with a PROXY protocol header. */
  readonly proxyProtocol: boolean;
  /** Undefined without TLS. */
  readonly tls: TlsSettings | undefined;
  readonly maxConnections: number;
  /** Maximum number of connections that all workers watch with epoll; Infinity for other engines. */
  readonly watches: number;
  /** Length of the accept queue. */
  readonly backlog: number;
  readonly logged: number;
  /** Size of one descriptor table (RLIMIT_NOFILE). */
  readonly tableSize: number;
  /** Words shared by all workers; see SHARED. */
  readonly shared: SharedArrayBuffer;
}

/** Indices of the words that all server workers share and update atomically. */
export const SHARED = {
  open: 0,
  peak: 1,
  /** Number of connections reported by `connection` events so far. */
  logged: 2,
  /** Number of connections accepted so far; wraps around at 2^32. */
  accepted: 3,
  /**
   * Number of `logged` connections that the main thread has received. Workers stop reporting connections if the
   * main thread falls too far behind.
   */
  reported: 4,
  /** Number of memory blocks that all workers use for unsent answers. */
  unsentBlocks: 5,
  words: 8,
} as const;

export type ServeMessage =
  | { readonly type: "listening"; readonly hasFallenBack: boolean }
  | { readonly type: "accepted"; readonly peers: readonly { readonly ip: string; readonly port: number }[] }
  /** Half of this worker's descriptor table is in use, so another worker will be needed soon. */
  | { readonly type: "filling" };
