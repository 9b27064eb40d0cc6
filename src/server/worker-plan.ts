// What the main thread and the server's workers agree on: the plan, the words that all share, the messages.
import type { TlsSettings } from "../linux/openssl/settings.js";
import type { ServerMode } from "../protocols/modes.js";
import type { ProtocolSpec } from "../protocols/spec/spec.js";
import type { EngineName } from "../results/engine.js";

/** Everything a server worker needs to know; plain data. */
export interface ServePlan {
  readonly engine: EngineName;
  /** The listening socket: made once, before the workers, and so known in every descriptor table. */
  readonly listener: number;
  readonly mode: ServerMode;
  readonly greeting: string | undefined;
  readonly closeAfterGreeting: boolean;
  /** What is spoken over the connections; undefined for plain TCP. */
  readonly protocol: ProtocolSpec | undefined;
  /** From ESTABLISHED to ready in the protocol, where that has a handshake. */
  readonly handshakeTimeoutMs: number;
  /** undefined in the clear. */
  readonly tls: TlsSettings | undefined;
  readonly maxConnections: number;
  /** The accept queue's length. */
  readonly backlog: number;
  readonly logged: number;
  /** Descriptors in one table. */
  readonly tableSize: number;
  /** Words shared by all workers, see SHARED. */
  readonly shared: SharedArrayBuffer;
}

/** Words that all server workers share and change atomically. */
export const SHARED = {
  open: 0,
  peak: 1,
  /** Connections told of so far. */
  logged: 2,
  /** Connections accepted so far; goes round at 2^32. */
  accepted: 3,
  /** Those of `logged` that the main thread knows by now: it must not be left behind. */
  reported: 4,
  /** Chunks of memory that hold unsent answers, of all workers. */
  unsentChunks: 5,
  words: 8,
} as const;

export type ServeMessage =
  | { readonly type: "listening" }
  | { readonly type: "accepted"; readonly peers: readonly { readonly ip: string; readonly port: number }[] }
  /** Half of this worker's descriptor table is used: another worker will be needed. */
  | { readonly type: "filling" };
