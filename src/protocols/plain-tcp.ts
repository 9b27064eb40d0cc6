// Defines the plain TCP protocols, and the options that select one of them for a side.
import { DelimitedEnd, SizedEnd } from "./answer-end.js";
import { BannerClient, BannerServer } from "./banner.js";
import type { ClientConnections, ClientProtocol, Connections, Protocol } from "./contract.js";
import { DiscardClient, DiscardServer } from "./discard.js";
import { EchoClient, EchoServer } from "./echo.js";
import { FramedAnswerClient } from "./framed-answers.js";
import type { Expectation, ServerMode } from "./modes.js";
import { AnyAnswerClient, NO_OPENING, type Opening, type TimedMessage } from "./timed-message.js";

export interface ServerProtocolOptions {
  readonly mode: ServerMode;
  /**
   * The default is `hello` in hello mode, and nothing in echo and discard mode, in which a peer must receive only
   * answers.
   */
  readonly greeting?: string | Uint8Array | undefined;
  /** Whether the server closes the connection after the greeting. */
  readonly closeAfterGreeting?: boolean | undefined;
}

export function createServerProtocol(connections: Connections, options: ServerProtocolOptions): Protocol {
  const { mode, greeting = defaultGreeting(mode), closeAfterGreeting = false } = options;
  const banner = Uint8Array.from(Buffer.from(greeting as Uint8Array));
  if (mode === "echo") return new EchoServer(connections, banner, closeAfterGreeting);
  if (banner.length > 0) return new BannerServer(connections, banner, closeAfterGreeting);
  return new DiscardServer(connections);
}

/** Returns the greeting used when none is configured. */
export function defaultGreeting(mode: ServerMode): string {
  return mode === "hello" ? "hello" : "";
}

const NOTHING = new Uint8Array(0);

/** A message, and what counts as its answer. */
export interface TimedMessageOptions {
  readonly bytes: Uint8Array;
  readonly expected: Expectation;
  /** The delimiter that ends an answer, for `until`. */
  readonly delimiter?: Uint8Array | undefined;
  /** Length of an answer, for `bytes`. */
  readonly answerBytes?: number | undefined;
}

export interface ClientProtocolOptions {
  /** Message sent at a fixed rate on every connection; undefined for none. */
  readonly message?: TimedMessageOptions | undefined;
  /** Exchange before a connection is ready, with the expected answer; undefined for none. */
  readonly opening?: (Opening & Omit<TimedMessageOptions, "bytes">) | undefined;
  /** Minimum number of slots that will be used. */
  readonly slots: number;
  /** Returns the number of the next connection, unique within a run. */
  readonly nextNumber?: (() => number) | undefined;
}

export function createClientProtocol(connections: ClientConnections, options: ClientProtocolOptions): ClientProtocol {
  const { message, opening, nextNumber } = options;
  const timed = message ?? (opening && { bytes: NOTHING, ...opening });
  if (timed === undefined) return new BannerClient(connections);
  const client = createTimed(connections, timed, options);
  return nextNumber ? client.numberBy(nextNumber) : client;
}

function createTimed(
  connections: ClientConnections,
  timed: TimedMessageOptions,
  { opening, slots }: ClientProtocolOptions,
): TimedMessage {
  const { bytes, expected, delimiter, answerBytes } = timed;
  if (expected === "echo") return new EchoClient(connections, bytes, slots, opening);
  if (expected === "any") return new AnyAnswerClient(connections, bytes, slots, opening);
  if (expected === "none") return new DiscardClient(connections, bytes, slots, opening);
  const end = delimiter ? new DelimitedEnd(delimiter, slots) : new SizedEnd(answerBytes!, slots);
  const answers = { end, framesGreeting: expected === "until" };
  return new FramedAnswerClient(connections, bytes, slots, opening ?? NO_OPENING, answers);
}
