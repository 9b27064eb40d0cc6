// The public contract of a protocol of your own: `import { defineProtocol } from "fourtuple/protocol"`. This file has
// no imports, so that an author's file can load it on its own.

/** Type of a state column, by kind and bits. Values wrap as in typed arrays. */
export type ColumnType = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "f64";

/**
 * Where a frame ends. A frame that exceeds `maxBytes` (default 64 KiB) ends its connection with the failure
 * FRAME_TOO_LONG.
 */
export type Framing =
  /** Up to a delimiter of 1 to 16 bytes, such as `"\r\n"`, which is not part of the frame that `received` sees. */
  | { readonly delimiter: string | Uint8Array; readonly maxBytes?: number }
  /**
   * A length of `bytes` bytes (1, 2, 3 or 4; big endian unless `endian` is `"little"`) at `at` (default 0) says how
   * many bytes follow it or, with `includesHeader`, how many bytes the whole frame has. The frame includes its header.
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
 * A received frame, or without framing, whatever one read returned. There is one object for all frames: it is valid
 * until the handler returns. Positions count from the start of the frame; numbers are big endian unless the name ends
 * with `le`.
 */
export interface Frame {
  /** Buffer that contains the frame, from `start` to `end` (exclusive). Copy what you keep. */
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
  /** Decodes bytes `from` to `to` (exclusive) as UTF-8. Allocates a string, so prefer `equals` and `startsWith`. */
  text(from?: number, to?: number): string;
  /** Whether the frame equals a text of ASCII characters, or bytes. Allocates nothing. */
  equals(content: string | Uint8Array): boolean;
  /** Whether a text of ASCII characters, or bytes, are at position `at`. Allocates nothing. */
  startsWith(content: string | Uint8Array, at?: number): boolean;
}

/** A counter that you declare: `c.metrics.kicked.add()`. */
export interface CounterMetric {
  /** Adds a number of 0 or more; default 1. */
  add(count?: number): void;
}

/** A histogram of durations that you declare: `c.metrics.joined.record(ms)`. */
export interface HistogramMetric {
  /** Records a duration in milliseconds, fractions allowed, up to an hour, with three significant digits. */
  record(ms: number): void;
}

/** A metric's type, with an optional description for reports. */
export type MetricDeclaration =
  | "counter"
  | "histogram"
  | { readonly type: "counter" | "histogram"; readonly help?: string };

/** Operations on a connection that both sides have. */
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
   * This connection's row of the data file (`--data users.csv`), by column: row 1 for connection 1, and the first row
   * again after the last one. Each access reads the row from the file, so take what you need once.
   */
  readonly row: { readonly [Column in D]: string };
  /** Returns the next of this connection's random numbers, 0 or more and below 1. The same seed repeats them. */
  random(): number;
  /**
   * Sends a text in UTF-8, or bytes `start` to `end` (exclusive). They are copied, so the buffer can be reused. All
   * that a handler sends leaves together. Over WebSocket, a text is sent as a text message, and bytes as a binary
   * message.
   */
  send(content: string | Uint8Array, start?: number, end?: number): void;
  /** Marks the connection as set up. Call it once, in `opened` or later; without an `opened`, it is called for you. */
  ready(): void;
  /**
   * Ends the connection as a failure: the peer refused it, or broke the protocol. Failures are counted by code.
   *
   * @param code 0 to 65,535, such as 535
   * @param text what it means; the first text of each code is shown
   */
  refused(code: number, text?: string): void;
  /** Closes the connection once everything is sent. This is no failure. */
  close(): void;
}

/** A client's connection. */
export interface ClientOperations<P extends string> {
  /** Number of messages that were due and have not been answered. */
  readonly waiting: number;
  /** Marks the oldest `count` (default 1) messages as answered. Their latency counts from the time when they were due. */
  answered(count?: number): void;
  /** Reports that the oldest `count` (default 1) messages will never be answered. */
  missed(count?: number): void;
  /**
   * Enters one of your phases, unless the connection is in it, and ends the current one. The first begins by itself
   * when the connection opens; ready() ends the current one, and so does the end of a connection that is ready.
   */
  phase(name: P): void;
}

type MetricsOf<M> = {
  readonly [Name in keyof M]: M[Name] extends "histogram" | { readonly type: "histogram" }
    ? HistogramMetric
    : CounterMetric;
};
type ColumnsOf<S> = { -readonly [Name in keyof S]: number };

/** A connection as a handler sees it, with your state columns as properties. Valid until the handler returns. */
export type ServerConnection<S = unknown, M = unknown, D extends string = string> = ColumnsOf<S> &
  ConnectionBase<MetricsOf<M>, D>;
/** A client's connection, with your state columns as properties. Valid until the handler returns. */
export type ClientConnection<
  S = unknown,
  M = unknown,
  P extends string = string,
  D extends string = string,
> = ServerConnection<S, M, D> & ClientOperations<P>;

/**
 * Handlers of one side. They are called for one connection after another, must return at once and not be async: no
 * promise, no waiting. One that throws ends its connection as a failure; one that runs for a second ends the run.
 */
export interface Handlers<C> {
  /**
   * The connection is established: with TLS after its handshake, over WebSocket after the upgrade. Must lead to
   * ready().
   */
  opened?(c: C): void;
  /** A frame has arrived. */
  received?(c: C, frame: Frame): void;
  /** Called every `tickMs` for each ready connection, spread evenly over the interval. */
  tick?(c: C): void;
  /** This side is about to close the connection and may send a last message. Not called before a reset. */
  closing?(c: C): void;
}

/** Handlers of a client. */
export interface ClientHandlers<C> extends Handlers<C> {
  /** A message is due (`-r`, per connection and second; default 1): send it. */
  due?(c: C): void;
  /** Whether messages are answered, which you report by answered(); default true. */
  readonly expectsAnswers?: boolean;
  /** Whether a connection's next message waits for the answer to its last one; default false. */
  readonly oneAtATime?: boolean;
}

/** A protocol of your own; see docs/own-protocol.md. */
export interface ProtocolDefinition<
  S extends Record<string, ColumnType> = Record<string, ColumnType>,
  M extends Record<string, MetricDeclaration> = Record<string, MetricDeclaration>,
  P extends string = string,
  D extends string = string,
> {
  /** Name in summaries and reports. */
  readonly name: string;
  /** What carries it: a byte stream (TCP or TLS), or WebSocket messages, each of which is a frame; default `"bytes"`. */
  readonly over?: "bytes" | "websocket";
  /** Where frames end in a byte stream; by default, `received` sees bytes as they arrive. */
  readonly framing?: Framing;
  /** State of a connection: a name and type for each column. Starts as 0. A connection takes the sum of their sizes. */
  readonly state?: S;
  /** Counters and histograms of your own. */
  readonly metrics?: M;
  /** Phases of a client's connection, such as `["greeting", "login"]`. It starts in the first. */
  readonly phases?: readonly P[];
  /** Columns that the data file must have. */
  readonly data?: readonly D[];
  /** Interval at which `tick` is called for each connection, in milliseconds. */
  readonly tickMs?: number;
  readonly client?: ClientHandlers<ClientConnection<S, M, P, D>>;
  readonly server?: Handlers<ServerConnection<S, M, D>>;
}

/**
 * Defines a protocol. The default export of a file given by `--protocol` must be its result.
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
