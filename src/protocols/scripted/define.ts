// The public API for user-defined protocols: `import { defineProtocol } from "fourtuple/protocol"`. This file has no
// imports, so that a user's file can load it without the rest.

/** Type of a state column, by kind and bits. Values wrap as in typed arrays. */
export type ColumnType = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "f64";

/**
 * How frames are delimited. A frame longer than `maxBytes` (default 64 KiB) ends its connection with the failure
 * FRAME_TOO_LONG.
 */
export type Framing =
  /**
   * A frame ends with a delimiter of 1 to 16 bytes, such as `"\r\n"`, which is not part of the frame that `received`
   * sees.
   */
  | { readonly delimiter: string | Uint8Array; readonly maxBytes?: number }
  /**
   * A length field of `bytes` bytes (1, 2, 3 or 4; big endian unless `endian` is `"little"`) at offset `at` (default
   * 0). It counts the bytes that follow it or, with `includesHeader`, the whole frame. `received` sees the frame with
   * its header.
   */
  | {
      readonly length: {
        readonly bytes: 1 | 2 | 3 | 4;
        readonly endian?: "big" | "little";
        readonly at?: number;
        readonly includesHeader?: boolean;
      };
      readonly maxBytes?: number;
    }
  /** A fixed number of bytes. */
  | { readonly fixed: number }
  /**
   * A function that looks for the end of the first frame in bytes `start` to `end` (exclusive).
   * It returns the index after the frame, or -1 while the frame is incomplete; it is then called again with more bytes.
   */
  | { readonly end: (bytes: Uint8Array, start: number, end: number) => number; readonly maxBytes?: number };

/**
 * A received frame or, without framing, whatever one read returned. All frames share one object, which is valid until
 * the handler returns. Positions are relative to the start of the frame; numbers are big endian unless the method's
 * name ends with `le`.
 */
export interface Frame {
  /** Buffer that contains the frame, from `start` to `end` (exclusive). Copy any bytes that you want to keep. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly length: number;
  u8(at?: number): number;
  u16(at?: number): number;
  u16le(at?: number): number;
  u32(at?: number): number;
  u32le(at?: number): number;
  f64(at?: number): number;
  f64le(at?: number): number;
  /** Decodes bytes `from` to `to` (exclusive) as UTF-8. This allocates a string; prefer `equals` and `startsWith`. */
  text(from?: number, to?: number): string;
  /** Whether the frame equals an ASCII text, or bytes. Allocates nothing. */
  equals(content: string | Uint8Array): boolean;
  /** Whether an ASCII text, or bytes, are at position `at`. Allocates nothing. */
  startsWith(content: string | Uint8Array, at?: number): boolean;
}

/** A counter that you declared: `c.metrics.kicked.add()`. */
export interface CounterMetric {
  /** Adds a number of 0 or more; default 1. */
  add(count?: number): void;
}

/** A histogram of durations that you declared: `c.metrics.joined.record(ms)`. */
export interface HistogramMetric {
  /** Records a duration in milliseconds, which may have a fraction, up to an hour, with three significant digits. */
  record(ms: number): void;
}

/** A metric's type, with an optional description for reports. */
export type MetricDeclaration =
  | "counter"
  | "histogram"
  | { readonly type: "counter" | "histogram"; readonly help?: string };

/** Operations on a connection that are available to both sides. */
export interface ConnectionBase<M, D extends string> {
  /** Number of the connection within the run, counted from 1 over all threads. */
  readonly number: number;
  /** Seed of the run (`--seed`). */
  readonly seed: number;
  /** Whether ready() was called. */
  readonly isReady: boolean;
  /** Your counters and histograms. */
  readonly metrics: M;
  /**
   * This connection's row of the data file (`--data users.csv`), by column. Connection 1 gets row 1; after the last
   * row, the first is used again. Each access reads the row from the file, so read each column that you need only once.
   */
  readonly row: { readonly [Column in D]: string };
  /** Returns this connection's next random number, at least 0 and below 1. The same seed yields the same numbers. */
  random(): number;
  /**
   * Sends a text in UTF-8, or bytes `start` to `end` (exclusive). The bytes are copied, so the buffer can be reused.
   * Everything that a handler sends goes out together. Over WebSocket, a text is sent as a text message, and bytes as a
   * binary message.
   */
  send(content: string | Uint8Array, start?: number, end?: number): void;
  /**
   * Marks the connection as set up. Call this once, in `opened` or later. Without an `opened` handler, ready() is
   * called for you.
   */
  ready(): void;
  /**
   * Ends the connection as a failure, because the peer refused it or violated the protocol. Failures are counted by
   * code.
   *
   * @param code 0 to 65,535, such as 535
   * @param text meaning of the code; reports show the first text given for each code
   */
  refused(code: number, text?: string): void;
  /** Closes the connection once everything is sent. This does not count as a failure. */
  close(): void;
}

/** A client's connection. */
export interface ClientOperations<P extends string> {
  /** Number of messages that were due but have not been answered. */
  readonly waiting: number;
  /**
   * Marks the oldest `count` (default 1) messages as answered. The latency of a message is measured from the time when
   * it was due.
   */
  answered(count?: number): void;
  /** Reports that the oldest `count` (default 1) messages will never be answered. */
  missed(count?: number): void;
  /**
   * Ends the current phase and enters another; does nothing if the connection is already in it. The first phase begins
   * when the connection opens. ready() ends the current phase, and so does the end of a ready connection.
   */
  phase(name: P): void;
}

type MetricsOf<M> = {
  readonly [Name in keyof M]: M[Name] extends "histogram" | { readonly type: "histogram" }
    ? HistogramMetric
    : CounterMetric;
};
type ColumnsOf<S> = { -readonly [Name in keyof S]: number };

/**
 * A connection as a handler sees it, with your state columns as properties. The object is valid until the handler
 * returns.
 */
export type ServerConnection<S = unknown, M = unknown, D extends string = string> = ColumnsOf<S> &
  ConnectionBase<MetricsOf<M>, D>;
/** A client's connection, with your state columns as properties. The object is valid until the handler returns. */
export type ClientConnection<
  S = unknown,
  M = unknown,
  P extends string = string,
  D extends string = string,
> = ServerConnection<S, M, D> & ClientOperations<P>;

/**
 * Handlers of one side, called for one connection at a time. Handlers must return at once and must not be async: no
 * promises, no waiting. A handler that throws ends its connection as a failure; one that runs for a second ends the
 * run.
 */
export interface Handlers<C> {
  /**
   * Called when the connection is established: with TLS, after the handshake; over WebSocket, after the upgrade. Must
   * lead to ready().
   */
  opened?(c: C): void;
  /** A frame has arrived. */
  received?(c: C, frame: Frame): void;
  /** Called every `tickMs` for each ready connection. Calls for different connections are spread over the interval. */
  tick?(c: C): void;
  /**
   * Called when this side is about to close the connection and may send a last message. The handler is not called
   * before a reset.
   */
  closing?(c: C): void;
}

/** Handlers of a client. */
export interface ClientHandlers<C> extends Handlers<C> {
  /** Called when a message is due: send it. `-r` sets the rate per connection and second (default 1). */
  due?(c: C): void;
  /** Whether messages get answers, which you report with answered(); default true. */
  readonly expectsAnswers?: boolean;
  /** Whether a connection's next message waits for the previous answer; default false. */
  readonly oneAtATime?: boolean;
}

/** A user-defined protocol; see docs/own-protocol.md. */
export interface ProtocolDefinition<
  S extends Record<string, ColumnType> = Record<string, ColumnType>,
  M extends Record<string, MetricDeclaration> = Record<string, MetricDeclaration>,
  P extends string = string,
  D extends string = string,
> {
  /** The protocol's name in summaries and reports. */
  readonly name: string;
  /**
   * Transport of the protocol: a byte stream (TCP or TLS), or WebSocket messages, each of which is a frame; default
   * `"bytes"`.
   */
  readonly over?: "bytes" | "websocket";
  /** How frames are delimited in a byte stream; by default, `received` sees bytes as they arrive. */
  readonly framing?: Framing;
  /**
   * State of a connection: a name and type for each column. All columns start at 0. Each connection takes the sum of
   * the columns' sizes.
   */
  readonly state?: S;
  /** Your own counters and histograms. */
  readonly metrics?: M;
  /** Phases of a client's connection, such as `["greeting", "login"]`. A connection starts in the first phase. */
  readonly phases?: readonly P[];
  /** Columns that the data file must have. */
  readonly data?: readonly D[];
  /** Interval at which `tick` is called for each connection, in milliseconds. */
  readonly tickMs?: number;
  readonly client?: ClientHandlers<ClientConnection<S, M, P, D>>;
  readonly server?: Handlers<ServerConnection<S, M, D>>;
}

/**
 * Defines a protocol. A file passed to `--protocol` must export the result as its default export.
 *
 * @returns the definition itself; it is checked when a run loads the file
 */
export function defineProtocol<
  const S extends Record<string, ColumnType> = Record<never, never>,
  const M extends Record<string, MetricDeclaration> = Record<never, never>,
  const P extends string = never,
  const D extends string = never,
>(definition: ProtocolDefinition<S, M, P, D>): ProtocolDefinition<S, M, P, D> {
  return definition;
}
