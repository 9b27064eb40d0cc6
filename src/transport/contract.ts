// The contract between a worker's role (client or server) and what carries its connections: kernel sockets behind epoll or
// io_uring, TLS around another transport, TCP in user space.
//
// One transport object a worker, chosen once, so that every call of the hot path is monomorphic. A connection is a SLOT: a small
// number that stays the same while it lives. Slots are dealt by the transport and used again: arrays by slot are as long as `end`
// ever was. Descriptors, readiness, full tables and the like are the transport's own business.
//
// Its shape is that of completions. Calls are queued and leave together, at the latest with the next turn(); what comes of them
// is told to the handler, from inside turn() and from nowhere else. A transport may do a call's work at once where that costs
// less. Nothing is thrown and nothing allocated for an event. Errors are negative errnos where a call returns them, and
// positive ones with their step (util/steps.ts) where an event tells them.
//
// A turn has a budget (TurnBudget). A connection that has had its share goes on in the next turn, which then does not wait; no
// peer holds the thread, and the role sees its clock, its command word and its signals between turns.
import type { NativeBuffer } from "../linux/syscalls/libc.js";
import type { IpAddress } from "../util/address.js";
import type { TupleSource } from "./tuple-source.js";

/** Shares of one turn. */
export interface TurnBudget {
  /** Bytes that one DATA event brings at most: the size of a read. */
  readonly readBytes: number;
  /** DATA events a connection and turn. A connection's turn also ends with `connectionBytes`. */
  readonly reads: number;
  readonly connectionBytes: number;
  /** Bytes that one send() takes at most. The caller bounds its own calls. */
  readonly sendBytes: number;
  /** Connections that go on after their share, a turn. */
  readonly resumed: number;
  /** Connections accepted a turn. Servers only. */
  readonly accepts: number;
}

/** What both roles' transports do. `slot` is always one that is not FREE, unless a call says otherwise. */
export interface Transport {
  /** One more than the highest slot ever used. */
  readonly end: number;
  /** DATA is held back from all connections while true: the role's own flow control. It changes at any time. */
  isHeld: boolean;
  /**
   * While true, DATA is shown before it is taken: received() says how much of it is used, and the rest stays with the peer, unread,
   * until the connection can send again. For a role that answers and has no room for what a peer does not read. It changes at any time.
   */
  peeks: boolean;

  /** One of SLOT (slot-state.ts), for any slot below `end`. */
  state(slot: number): number;

  /**
   * Sends `length` bytes of `bytes` from `offset` on.
   *
   * The first of them, as many as it returns, are the transport's from then on. They do not change until sent() tells that they are gone,
   * or the connection ends, if `bytes` is a buffer that never changes (a greeting, a message) or the one of the DATA event
   * that is being handled, which the transport then keeps. Any other buffer may be used again at once.
   *
   * Fewer than `length`: the peer, or the budget, takes no more for now. The rest stays the caller's, who sends no more over this
   * connection until sent() tells that it can. 0 is such an answer, and no error.
   *
   * @returns how many bytes it has taken, or a negative errno: then the connection is as good as ended, and either an event tells it
   * or the role closes it. A transport that learns of a failure later tells failed(slot, STEP.send, errno).
   */
  send(slot: number, bytes: NativeBuffer, offset: number, length: number): number;

  /**
   * The role expects nothing of an OPENED connection soon: it may be kept where it costs least (parked, polled instead of
   * received). What comes over it is told all the same. State RESTING from now on.
   */
  rest(slot: number): void;

  /**
   * Closes in order (FIN; RST where received bytes are unread). No event tells of this slot any more. The slot is FREE at once
   * and is not dealt again before the turn is over. Also gives up on one that is OPENING.
   */
  close(slot: number): void;

  /** As close(), with RST. */
  reset(slot: number): void;

  /**
   * One turn of the worker's loop: what is queued leaves; waits until something comes, `waitMs` have passed or the wake-up rings; then
   * tells the handler, within the budget. It does not wait while a connection has more to do than its share or a call has
   * failed at once.
   *
   * @param waitMs 0 looks and does not wait; Infinity waits for as long as it takes; fractions are kept where the kernel can
   * @throws {AppError} E_SYSTEM when waiting itself fails: a loop that went on would spin
   */
  turn(waitMs: number): void;

  /**
   * Both addresses of an ESTABLISHED connection, or a negative errno. Makes objects: for what a role does once a connection at most.
   */
  addresses(slot: number): ConnectionAddresses | number;

  /**
   * Ends all connections and gives everything back. No event is told any more.
   *
   * @param resets with RST
   * @param isAborted asked every some hundreds of connections: true leaves the rest to the kernel
   */
  closeAll(resets: boolean, isAborted: () => boolean): void;

  /** Stops listening for events and gives back what waits for them; connections are left to the kernel. May be called twice, and after closeAll(). */
  dispose(): void;
}

export interface ConnectionAddresses {
  readonly local: { readonly ip: IpAddress; readonly port: number };
  /** undefined when the peer has reset the connection already. */
  readonly remote: { readonly ip: IpAddress; readonly port: number } | undefined;
}

/** What a transport tells its role. Every call comes from inside turn(), and any of them may call the transport. */
export interface TransportHandler {
  /** The wait is over; what follows in this turn happened by then. Once a turn. @param nowMs by performance.now() */
  awake(nowMs: number): void;

  /**
   * DATA: `length` bytes at `offset` of `bytes`, valid until this returns (see send() for how to send them back).
   *
   * @returns how many of them are used, from the first on; fewer than `length` only while `peeks`
   */
  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number;

  /** SENT: all that send() took is gone and the connection takes more. Told once after each send() that took fewer bytes than it was given, and after those that finish later. */
  sent(slot: number): void;

  /** CLOSED: the peer has sent its FIN, and everything before it was told. The slot is FREE when this returns: it is told still, so that the role can forget it. */
  closed(slot: number): void;

  /**
   * FAILED: the connection has ended, or was not made. The slot is FREE when this returns.
   *
   * @param step one of STEP (util/steps.ts): `hold` for an ESTABLISHED connection that its peer or the network ended
   * @param errno positive; MET_ITSELF (slot-state.ts) for a connection that met itself by simultaneous open, and no peer
   * @param isOwnAnswer this host's own answer to connect(), before anything was sent; false where a transport cannot tell
   */
  failed(slot: number, step: number, errno: number, isOwnAnswer: boolean): void;
}

/** What a client's role is told besides. */
export interface ClientHandler extends TransportHandler {
  /** OPENED: ESTABLISHED. DATA that came with it is told next. */
  opened(slot: number): void;
}

/** A client's transport. */
export interface ClientTransport extends Transport {
  /**
   * Opens one connection, from and to what the TupleSource says next. A tuple that is in use makes way for the one after it.
   *
   * @returns its slot, OPENING, or NO_ROOM (slot-state.ts): connections that are being opened have all there is room for; try again when one of
   * them is at rest or has ended. Where there is none of them, it is a failure like any other
   */
  open(): number;
}

/** What a client's transport is made from. */
export interface ClientTransportOptions {
  readonly tuples: TupleSource;
  readonly handler: ClientHandler;
  readonly budget: TurnBudget;
  /** A descriptor that ends the wait when it becomes readable (an eventfd); the transport reads it. */
  readonly wakeFd: number;
  /** Connections at a time, to begin with; it grows. */
  readonly slots: number;
  /** Descriptors in one table (RLIMIT_NOFILE). */
  readonly tableSize: number;
  /** Connections at rest may be moved out of a full descriptor table; else it is full. */
  readonly parks: boolean;
  /** All connections will end with RST. */
  readonly resets: boolean;
  /**
   * The whole life of each connection, said beforehand so that it can be one chain: undefined is to be held; "close" and "reset" are
   * what follows once its first bytes were told.
   */
  readonly endsGreeted: "close" | "reset" | undefined;
}

/** What a server's role is told besides. */
export interface ServerHandler extends TransportHandler {
  /** ACCEPTED: greet it by send(), or turn it away by close(). State OPENED. */
  accepted(slot: number): void;

  /**
   * accept() failed.
   *
   * @param isFull nothing is left to accept it with (descriptors, memory): it stays in the accept queue, and the transport tries again by itself.
   * Else it was the error of one connection that was taken off the queue
   */
  acceptFailed(errno: number, isFull: boolean): void;
}

/** A server's transport. */
export interface ServerTransport extends Transport {
  /** Whether it accepts; true to begin with. It changes at any time, and holds from the next turn on. */
  accepts: boolean;
  /** Whether acceptedPeer() is wanted of the connections to come. It changes at any time. */
  namesPeers: boolean;
  /** More than half of what this worker has room for is in use: another worker will be wanted. */
  readonly isFilling: boolean;

  /** The address of the peer of the accepted() event that is being handled; ask only while `namesPeers`. */
  acceptedPeer(): { readonly ip: string; readonly port: number };
}

/** What a server's transport is made from. */
export interface ServerTransportOptions {
  readonly handler: ServerHandler;
  readonly budget: TurnBudget;
  /** As in ClientTransportOptions. */
  readonly wakeFd: number;
  readonly slots: number;
  readonly tableSize: number;
  /** The listening socket, in this thread's descriptor table. */
  readonly listener: number;
  /** The listening socket is this thread's own copy: closed at the end. */
  readonly ownsListener: boolean;
  /** The accept queue's length in force. */
  readonly backlog: number;
  /** Shared by all workers of one listening socket: how many they have accepted so far, round at 2^32. One word. */
  readonly accepted: Int32Array;
  /** Connections at rest may have something to send later on: else only what comes in is waited for. */
  readonly sendsAtRest: boolean;
}
