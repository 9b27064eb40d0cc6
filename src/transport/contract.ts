// Interface between a worker's role (client or server) and its transport: kernel sockets over epoll or io_uring, TLS on
// top of another transport, or user-space TCP.
//
// Each worker has one transport object, chosen at startup, so every call on the hot path is monomorphic. A slot, which
// is a small integer, identifies a connection for its lifetime. The transport allocates and reuses slots, so an array
// indexed by slot needs at most `end` elements. Descriptors, readiness and full descriptor tables are internal to the
// transport.
//
// The interface is completion-based. Calls are queued and submitted together, no later than the next turn(), and
// results are delivered to the handler only from within turn(). A transport may perform a call immediately if that is
// cheaper. Events neither throw nor allocate. Calls return errors as negative errnos; events carry a positive errno and
// the step that failed (util/steps.ts).
//
// A turn has a budget (TurnBudget). A connection that exhausts its share continues in the next turn, which then polls
// without blocking. No peer can monopolize the thread, and the role checks its clock, command word and signals between
// turns.
import type { NativeBuffer } from "../linux/syscalls/libc.js";
import type { IpAddress } from "../util/address.js";
import type { DevicePlan } from "./packet/devices/open-device.js";
import type { PacketListener } from "./packet/listener.js";
import type { PacketTuples } from "./packet/tuples.js";
import type { TupleSource } from "./tuple-source.js";

/** Per-turn limits. */
export interface TurnBudget {
  /** Maximum number of bytes per DATA event, which is also the size of a read. */
  readonly readBytes: number;
  /** Maximum number of DATA events per connection and turn. `connectionBytes` also ends a connection's share. */
  readonly reads: number;
  readonly connectionBytes: number;
  /** Maximum number of bytes accepted by one send(). The caller limits how many calls it makes. */
  readonly sendBytes: number;
  /** Maximum number of connections resumed per turn after exhausting their share. */
  readonly resumed: number;
  /** Maximum number of connections accepted per turn. Servers only. */
  readonly accepts: number;
}

/** The operations common to both roles. `slot` must not be FREE unless the method says otherwise. */
export interface Transport {
  /** Highest slot ever used, plus one. */
  readonly end: number;
  /**
   * While true, DATA events are suspended for all connections, which gives the role flow control. The property may be
   * changed at any time.
   */
  isHeld: boolean;
  /**
   * While true, DATA is peeked before it is consumed. received() returns the number of bytes consumed; the rest stays
   * unread in the kernel until the connection can send again. This is for roles that echo and have no memory left for
   * unsent output. The property may be changed at any time.
   */
  peeks: boolean;

  /** Returns one of SLOT (slot-state.ts) for any slot below `end`. */
  state(slot: number): number;

  /**
   * Sends `length` bytes of `bytes`, starting at `offset`.
   *
   * If `bytes` is a constant buffer (a greeting, a message) or the buffer of the DATA event being handled, the
   * transport keeps a reference to it, and accepted bytes must not change until sent() is called or the connection
   * ends. Any other buffer may be reused immediately.
   *
   * A return value smaller than `length`, including 0, means that the peer or the budget allows no more for now. The
   * caller keeps the remainder and must not send on this connection until sent() is called.
   *
   * @returns number of leading bytes accepted, or a negative errno. After an error the connection is unusable: either
   *   an event follows or the role closes it. A transport that detects an error later reports failed(slot, STEP.send,
   *   errno).
   */
  send(slot: number, bytes: NativeBuffer, offset: number, length: number): number;

  /**
   * Marks an OPENED connection as idle (RESTING): the transport may park it, or poll it. Incoming data is still
   * reported.
   */
  rest(slot: number): void;

  /**
   * Closes the connection with a FIN, or an RST if received bytes are unread. No further events are reported for this
   * slot. The slot is FREE immediately, but is not reused before the end of the turn. This also cancels a connection
   * that is OPENING.
   */
  close(slot: number): void;

  /** Like close(), but sends an RST. */
  reset(slot: number): void;

  /**
   * Runs one iteration of the worker's loop: submits queued calls, waits for an event, `waitMs` or the wake-up
   * descriptor, then calls the handler within the budget. The turn does not block while a connection has exceeded its
   * share, or after a call has failed immediately.
   *
   * @param waitMs 0 polls without blocking; Infinity waits indefinitely; fractions are kept if the kernel supports them
   * @throws {AppError} E_SYSTEM if waiting fails, because the loop would otherwise spin
   */
  turn(waitMs: number): void;

  /**
   * Returns both addresses of an ESTABLISHED connection, or a negative errno. This allocates, so call it at most once
   * per connection.
   */
  addresses(slot: number): ConnectionAddresses | number;

  /**
   * Ends all connections and releases all resources. No further events are reported.
   *
   * @param resets sends RSTs
   * @param isAborted called every few hundred connections; if it returns true, the kernel closes the rest
   */
  closeAll(resets: boolean, isAborted: () => boolean): void;

  /** Stops watching for events and releases resources; the kernel closes the connections. Idempotent. */
  dispose(): void;
}

export interface ConnectionAddresses {
  readonly local: { readonly ip: IpAddress; readonly port: number };
  /** The peer's address; undefined if the peer has already reset the connection. */
  readonly remote: { readonly ip: IpAddress; readonly port: number } | undefined;
}

/**
 * Events from a transport to its role. All of these methods are called from within turn(), and all of them may call the
 * transport.
 */
export interface TransportHandler {
  /**
   * Called once per turn when the wait ends. All events of the turn occurred before then.
   * @param nowMs performance.now()
   */
  awake(nowMs: number): void;

  /**
   * DATA: `length` bytes at `offset` in `bytes`, valid until this method returns. See send() for how to send them back.
   *
   * @returns number of leading bytes consumed; it may be less than `length` only while `peeks` is set
   */
  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number;

  /**
   * SENT: all accepted bytes are sent, and more can be. Reported once per send() that was partial or completed later.
   */
  sent(slot: number): void;

  /**
   * CLOSED: the peer sent a FIN, and all data before it has been reported. The slot is FREE once this method returns.
   *
   * @param isUnannounced TLS only: the FIN came without close_notify, so data may be missing
   */
  closed(slot: number, isUnannounced?: boolean): void;

  /**
   * FAILED: the connection ended or was never established. The slot is FREE once this method returns.
   *
   * @param step one of STEP (util/steps.ts); `hold` for an ESTABLISHED connection ended by the peer or the network
   * @param errno positive, or MET_ITSELF (slot-state.ts) for a connection to itself by simultaneous open
   * @param isOwnAnswer whether connect() failed on this host before sending anything; false if the transport cannot
   *   tell
   */
  failed(slot: number, step: number, errno: number, isOwnAnswer: boolean): void;
}

/** Additional events for a client. */
export interface ClientHandler extends TransportHandler {
  /** OPENED: the connection is ESTABLISHED. Data received with the handshake is reported next. */
  opened(slot: number): void;
}

/** Transport for a client. */
export interface ClientTransport extends Transport {
  /**
   * Opens a connection for the next 4-tuple of the TupleSource. Tuples that are in use are skipped.
   *
   * @returns the slot, in state OPENING, or NO_ROOM (slot-state.ts) if connections being opened occupy all resources;
   *   retry once one of them becomes idle or ends. If none is being opened, the lack of resources is reported as a
   *   failure instead
   */
  open(): number;

  /**
   * Like close(), or reset() if `resets`, but the slot is not reused by open(): it stays FREE for reopen().
   */
  vacate(slot: number, resets: boolean): void;

  /**
   * Opens a connection for the next 4-tuple in a vacated slot. This method must not be called from within turn().
   *
   * @returns false where open() returns NO_ROOM, or while the slot's previous connection is still being closed: retry
   *   later
   */
  reopen(slot: number): boolean;
}

/** Options for creating a client's transport. */
export interface ClientTransportOptions {
  readonly tuples: TupleSource;
  readonly handler: ClientHandler;
  readonly budget: TurnBudget;
  /** Descriptor (an eventfd) that ends the wait when readable. The transport reads it. */
  readonly wakeFd: number;
  /** Initial number of slots, which grows on demand. */
  readonly slots: number;
  /** Maximum number of descriptors in one table (RLIMIT_NOFILE). */
  readonly tableSize: number;
  /**
   * Whether idle connections may be moved out of a full descriptor table. If idle connections stay, the table limits
   * the number of connections.
   */
  readonly parks: boolean;
  /** Maximum number of connections watched with epoll; further ones fail with ENOSPC. No maximum if undefined. */
  readonly watches?: number | undefined;
  /** Whether all connections will be closed with an RST. */
  readonly resets: boolean;
  /**
   * What to do once a connection's first bytes have been reported; undefined keeps the connection open. This is known
   * up front so that the close can be chained.
   */
  readonly endsGreeted: "close" | "reset" | undefined;
  /** The TUN device and 4-tuples of connections without kernel sockets; undefined for kernel sockets. */
  readonly packet?: PacketClientPlan | undefined;
  /**
   * Fallback to epoll; undefined if the engine was requested explicitly, so that failing to lock memory is an error.
   */
  readonly fallback: EngineFallback | undefined;
}

/** Plain data. */
export interface PacketServerPlan {
  readonly device: DevicePlan;
  readonly listener: PacketListener;
  /** Where the transport writes its counts when it ends; see packet/counts.ts. */
  readonly counts?: SharedArrayBuffer;
  /** Whether ACKs wait for data that carries them, for a moment. */
  readonly delaysAcks?: boolean;
}

/** Plain data. */
export interface PacketClientPlan {
  readonly device: DevicePlan;
  /** The tuples whose numbers TupleSource.take() returns. */
  readonly tuples: PacketTuples;
  /** Where the transport writes its counts when it ends; see packet/counts.ts. */
  readonly counts?: SharedArrayBuffer;
  /** Whether ACKs wait for data that carries them, for a moment. */
  readonly delaysAcks?: boolean;
}

/** What to do if the engine cannot lock the memory that it needs. */
export interface EngineFallback {
  /** Number of connections for which to lock memory at the start. */
  readonly connections: number;
  /** Set to true if epoll is used instead. */
  isUsed: boolean;
}

export interface PeerAddress {
  readonly ip: string;
  readonly port: number;
}

/** Additional events for a server. */
export interface ServerHandler extends TransportHandler {
  /**
   * ACCEPTED: the role greets the connection with send() or rejects it with close(). The connection's state is OPENED,
   * or RESTING after a PROXY header.
   */
  accepted(slot: number): void;

  /**
   * accept() failed.
   *
   * @param isFull whether the accept failed because resources (descriptors, memory) are exhausted. The connection then
   *   stays in the accept queue, and the transport retries. Otherwise the error belongs to a connection that has been
   *   removed from the queue
   */
  acceptFailed(errno: number, isFull: boolean): void;
}

/** Transport for a server. */
export interface ServerTransport extends Transport {
  /**
   * Whether to accept connections; initially true. The property may be changed at any time, and takes effect in the
   * next turn.
   */
  accepts: boolean;
  /**
   * Whether acceptedPeer() will be called for connections accepted from now on. The property may be changed at any
   * time.
   */
  namesPeers: boolean;
  /** Whether more than half of this worker's capacity is in use, so another worker will be needed. */
  readonly isFilling: boolean;

  /**
   * Returns the peer address of the connection being accepted, or the address of the client that a proxy names. The
   * call is valid only within accepted(), while `namesPeers` is set. The result is undefined if the peer has already
   * reset the connection.
   */
  acceptedPeer(): PeerAddress | undefined;
}

/** Options for creating a server's transport. */
export interface ServerTransportOptions {
  readonly handler: ServerHandler;
  readonly budget: TurnBudget;
  /** See ClientTransportOptions. */
  readonly wakeFd: number;
  readonly slots: number;
  readonly tableSize: number;
  /** Listening socket in this thread's descriptor table. */
  readonly listener: number;
  /** The TUN device and address of connections without kernel sockets; undefined for kernel sockets. */
  readonly packet?: PacketServerPlan | undefined;
  /** See ClientTransportOptions. Used for connections without kernel sockets only. */
  readonly fallback?: EngineFallback | undefined;
  /** Whether this thread owns its copy of the listening socket and must close it. */
  readonly ownsListener: boolean;
  /** Effective accept queue length. */
  readonly backlog: number;
  /** Number of connections accepted by all workers on the listening socket, modulo 2^32. A single word. */
  readonly accepted: Int32Array;
  /**
   * Whether idle connections may need to send later. Without such a need, the transport watches only for incoming data.
   */
  readonly sendsAtRest: boolean;
}
