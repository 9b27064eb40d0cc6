// Interface between a protocol and its host, the worker of a role. A protocol is a state machine over bytes: one object
// serves all of a worker's connections, for one side. The host reports events by slot, and the protocol responds
// through `Connections`. A protocol has no descriptors, timers or threads, and allocates nothing per event.

/**
 * What a side sends in response to received bytes. This decides what happens to a peer that does not read, once the
 * memory for unsent bytes is exhausted: nothing, because it is owed nothing (`none`); its input stays unread in the
 * kernel (`echo`); or its connection is closed (`any`).
 */
export type Replies = "none" | "echo" | "any";

/**
 * Negotiation between ESTABLISHED and ready, named by the step in which it may fail; `none` if a connection is ready at
 * once. The host applies a separate timeout to it.
 */
export type Handshake = "none" | "upgrade" | "request" | "greeting" | "first-message" | "connack" | "setup";

/**
 * Minimum time between two heartbeats of a connection, as a share of the interval. A late thread catches up no faster
 * than this, so the previous heartbeat's answer has had at least this long to arrive.
 */
export const LEAST_HEARTBEAT_GAP = 3 / 4;

/** Returned by `peerClosed` if the connection does not count as lost. */
export const AS_ASKED = -1;

/**
 * Returned by `peerClosed` and `peerReset` if the connection does not count as lost but may be replaced by another.
 */
export const REPLACEABLE = {
  /** The peer had announced that it would close the connection. */
  announced: -2,
  /**
   * The peer closed the connection while it was idle. An outstanding message was not read by the peer and is sent
   * again.
   */
  idle: -3,
  /** Like `idle`, but the outstanding message may have been read, and must not be sent twice. It stays unanswered. */
  unrepeated: -4,
  /** The connection ended in the middle of an answer. The outstanding message stays unanswered. */
  cutShort: -5,
} as const;

/** One side of a protocol, for all of a worker's connections. Slots are small integers that are reused. */
export interface Protocol {
  /** Bytes of state per slot, in typed arrays that grow with the highest slot; 0 if there is none. */
  readonly slotBytes: number;
  /**
   * Byte strings that are sent unchanged, such as a greeting or a request. Each string is stored once and sent by index
   * (`sendConstant`).
   */
  readonly constants: readonly Uint8Array[];
  /**
   * `echo` requires a protocol to send every received byte back unchanged and to retain no bytes, because some may be
   * reported twice.
   */
  readonly replies: Replies;
  readonly handshake: Handshake;
  /** Heartbeat interval of ready connections; 0 for none. The host spreads heartbeats evenly over the connections. */
  readonly heartbeatMs: number;
  /**
   * Called when a connection is ESTABLISHED. The protocol must reset the slot's state, and call `ready` now or later.
   */
  opened(slot: number): void;
  /**
   * Called when bytes `start` to `end` (exclusive) of `bytes` have arrived, split at arbitrary points. Valid until this
   * returns.
   */
  received(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /** Called when a ready connection's heartbeat is due. The method is not called while earlier bytes are unsent. */
  beat(slot: number): void;
  /**
   * Called when this side is about to close the connection and may send final bytes. The method is not called before a
   * reset.
   */
  closing(slot: number): void;
  /**
   * Called when the connection has ended, on either side. The method is called exactly once for each opened connection.
   */
  closed(slot: number): void;
}

/** The client side, which sends messages. The host measures latency from the time at which each message was due. */
export interface ClientProtocol extends Protocol {
  /** Whether messages are answered. */
  readonly isAnswered: boolean;
  /**
   * Whether `due` may be called for several messages before the first one is sent, so that they go out in one send. The
   * messages must be neither answered nor acknowledged, and have equal lengths on the same connection.
   */
  readonly gathers?: boolean;
  /** Whether the answer to the first message, which is due at once, makes a connection ready. */
  readonly beginsWithMessage?: boolean;
  /**
   * Called when a ready connection's next message is due and should be sent. The method is not called while earlier
   * bytes are unsent, or while `isBusy` returns true.
   */
  due(slot: number): void;
  /**
   * Whether the next message must wait because an answer is outstanding. If this method is missing, messages never
   * wait.
   */
  isBusy?(slot: number): boolean;
  /**
   * Called for each ready connection at the end of a run, when messages are no longer sent.
   * @param pending number of its latest messages that are not sent completely, or may still be on their way
   */
  concluded?(slot: number, pending: number): void;
  /**
   * Returns the number of messages that connections of the run, of any worker, have published to subscribers in this
   * worker, but that have not arrived. This is called after `concluded` has been called in all workers.
   */
  undelivered?(): number;
  /**
   * Called when the peer has sent FIN; `closed` follows. If this method is missing, the loss counts as a FIN.
   *
   * @param isUnannounced for TLS only: whether the FIN came without close_notify, so data may be missing
   * @returns the code under which to count the loss: 0 for FIN, or one of codes.ts. If the close does not count as a
   *   loss, AS_ASKED or one of REPLACEABLE
   */
  peerClosed?(slot: number, isUnannounced?: boolean): number;
  /**
   * Called when the peer has reset the connection; `closed` follows.
   * @returns 0 if the connection counts as lost, or one of REPLACEABLE
   */
  peerReset?(slot: number): number;
}

/** Operations on connections that the host provides to a protocol. */
export interface Connections {
  /** Sends the constant at index `place`. */
  sendConstant(slot: number, place: number): void;
  /**
   * Sends bytes `start` to `end` (exclusive), which may be received bytes. Bytes that cannot be sent at once are
   * copied.
   */
  send(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /** Marks the connection as set up, so messages may be due. Called once per connection. */
  ready(slot: number): void;
  /**
   * Ends a connection because the peer refused it or violated the protocol. `code` is one of codes.ts. After that, only
   * `closed` is reported.
   */
  refused(slot: number, code: number): void;
  /** Closes the connection gracefully once all its bytes are sent. After that, only `closed` is reported. */
  close(slot: number): void;
  /**
   * Counts an HTTP response.
   * @param retryAfterSec the wait in seconds that the peer requests; 0 for none
   */
  responded(slot: number, status: number, retryAfterSec: number): void;
  /** Records that a heartbeat was sent. */
  beaten(slot: number): void;
  /** Records that the peer answered a heartbeat. */
  alive(slot: number): void;
  /** Records that a heartbeat of the peer was answered. */
  ponged(slot: number): void;
}

/** Additional operations for a client. */
export interface ClientConnections extends Connections {
  /** Marks the oldest `count` outstanding messages as answered. */
  answered(slot: number, count: number): void;
  /** Reports that the oldest `count` messages will never be answered. */
  missed(slot: number, count: number): void;
  /** Reports that the peer will close the connection, which can then be replaced. */
  closes(slot: number): void;
  /** Reports that the peer refused one message, with a code from codes.ts. The connection stays open. */
  declined(slot: number, code: number): void;
  /** Due time of the message that `due` is being called for, in microseconds since the epoch. */
  dueUs(slot: number): number;
  /**
   * Number of outstanding messages, excluding the one that `due` is being called for; 0 if messages are not answered.
   */
  unanswered(slot: number): number;
  /** Whether part of the last message is unsent, so it cannot have been answered. */
  isSending(slot: number): boolean;
  /**
   * Passes on content, which a single connection displays. This is not needed for plain TCP, where all bytes are
   * content.
   */
  shown(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /**
   * Counts a published message that arrived, from any publisher.
   * @param dueUs the message's due time, as in dueUs(); NaN if unknown
   */
  delivered(dueUs: number): void;
  /** Counts published messages missing from a publisher's sequence. */
  undelivered(count: number): void;
  /** Counts a published message that arrived again. */
  repeated(): void;
  /** Counts received bytes that are not part of an answer, such as a greeting or a push message. */
  unexpected(bytes: number): void;
  /** Counts received bytes that arrived in place of an answer. */
  mismatched(bytes: number): void;
}
