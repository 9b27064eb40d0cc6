// The contract between a protocol and its host, the worker of a role. A protocol is a state machine over bytes: one object for all
// connections of a worker, for one side. The host tells it what happens to a connection, named by its slot; the protocol answers
// through `Connections`. It knows no descriptor, no timer and no thread, and allocates nothing for an event.

/**
 * What a side sends in answer to received bytes. It decides what becomes of a peer that does not read, once the memory for unsent bytes
 * is used up: nothing is owed to it (`none`), what it sends stays unread in the kernel (`echo`), or its connection is closed (`any`).
 */
export type Replies = "none" | "echo" | "any";

/**
 * What has to be agreed on between ESTABLISHED and ready, as the step in which that fails: `none` where a connection is ready at once. The host
 * waits for it, for a time of its own.
 */
export type Handshake = "none" | "upgrade";

/** One side of a protocol, for all connections of a worker. Slots are small numbers that are used again. */
export interface Protocol {
  /** Bytes of state for each slot, in typed arrays that grow with the highest slot; 0 for a protocol that keeps none. */
  readonly slotBytes: number;
  /** What connections send as it is, such as a greeting or a request: kept once, and named by its place (`sendConstant`). */
  readonly constants: readonly Uint8Array[];
  /** `echo` only where every received byte goes back unchanged and nothing is kept of it: some may then be told of again. */
  readonly replies: Replies;
  readonly handshake: Handshake;
  /** How often a ready connection has a heartbeat; 0 for none. The host spreads them evenly over the connections. */
  readonly heartbeatMs: number;
  /** A connection is ESTABLISHED in `slot`; nothing of an earlier one in this slot may show. Says `ready` now or later. */
  opened(slot: number): void;
  /** Bytes `start` to `end` (exclusive) of `bytes` have come, cut anywhere. They are valid until this returns. */
  received(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /** The heartbeat of a ready connection is due. Not told while earlier bytes wait to be sent. */
  beat(slot: number): void;
  /** This side is about to close the connection: the last bytes to send. Not told before a reset. */
  closing(slot: number): void;
  /** The connection has ended, whoever ended it: told once for each that was opened. */
  closed(slot: number): void;
}

/** A client's side: it sends messages, whose answers the host times from the moment when each message was due. */
export interface ClientProtocol extends Protocol {
  /** Whether messages are answered. */
  readonly isAnswered: boolean;
  /** The next message of a ready connection is due: sends its bytes. Not told while earlier bytes wait to be sent. */
  due(slot: number): void;
}

/** What a protocol can do with the connections that it is told of. */
export interface Connections {
  /** Sends constant number `place` of the protocol. */
  sendConstant(slot: number, place: number): void;
  /** Sends bytes `start` to `end` (exclusive), which may be the received ones; copied where they cannot be sent at once. */
  send(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /** The connection is set up in the protocol: messages may be due. Once a connection. */
  ready(slot: number): void;
  /**
   * The peer refuses, or is refused for what it sends: one of the codes of codes.ts. The connection is closed; nothing more is told of it
   * but `closed`.
   */
  refused(slot: number, code: number): void;
  /** Closes the connection in order once all its bytes are sent; nothing more is told of it but `closed`. */
  close(slot: number): void;
  /** A heartbeat was sent. */
  beaten(slot: number): void;
  /** The peer has answered one. */
  alive(slot: number): void;
}

/** What a client's side can do and ask besides. */
export interface ClientConnections extends Connections {
  /** The oldest `count` messages that wait for an answer have been answered. */
  answered(slot: number, count: number): void;
  /** Messages that were due and are not answered, without the one that `due` is telling of; 0 where messages are not answered. */
  unanswered(slot: number): number;
  /** Whether bytes of the last message still wait to be sent: it cannot have been answered. */
  isSending(slot: number): boolean;
  /** Bytes `start` to `end` of `bytes` are content: shown where there is a single connection. Plain TCP, where all is content, need not say so. */
  shown(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /** So many received bytes were asked for by nobody, such as a greeting or a push. */
  unexpected(bytes: number): void;
  /** So many received bytes came in place of an answer. */
  mismatched(bytes: number): void;
}
