// Runs a script's handlers as one side of a protocol, for all of a worker's connections: frames what is received, keeps
// the declared state, and turns errors and misuse into counted failures.
import { CODES, FAULT } from "../codes.js";
import { grown } from "../columns.js";
import type { ClientConnections, ClientProtocol, Handshake, Replies } from "../contract.js";
import type { ScriptedSpec } from "../spec/spec.js";
import { HandlerCalls } from "./calls.js";
import type { ClientHandlers, ProtocolDefinition } from "./define.js";
import { describeError } from "./error-text.js";
import { FrameView } from "./frames/frame-view.js";
import { framesOf } from "./frames/framing.js";
import { type FrameTaker, IncomingFrames } from "./frames/incoming.js";
import { HANDLER, type ScriptHost } from "./host.js";
import type { Link } from "./link.js";
import { ERRORS, metricObjects } from "./metrics.js";
import { Sending } from "./sending.js";
import { StateColumns } from "./state/columns.js";
import { type AnyConnection, connectionOf, type Operations } from "./state/connection.js";
import { Phases } from "./state/phases.js";
import { RandomNumbers } from "./state/random.js";

// Bits of `flags`.
const READY = 1;
/** A handler has called close() or refused(), or has thrown. */
const [CLOSING, REFUSED] = [2, 4] as const;
/** Nothing more is read or sent. */
const ENDED = 8;
const OVER = CLOSING | REFUSED | ENDED;

const MAX_CODE = 65_535;

export interface SideOptions {
  readonly definition: ProtocolDefinition;
  readonly spec: ScriptedSpec;
  readonly host: ScriptHost;
  readonly link: Link;
  /** Undefined for a server. */
  readonly client: ClientConnections | undefined;
  /** Minimum number of slots that will be used. */
  readonly slots: number;
}

export class ScriptedSide implements ClientProtocol, Operations, FrameTaker {
  readonly slotBytes: number;
  readonly constants: readonly Uint8Array[] = [];
  readonly replies: Replies = "any";
  readonly handshake: Handshake;
  readonly heartbeatMs: number;
  readonly isAnswered: boolean;
  readonly isBusy?: (slot: number) => boolean;
  private readonly spec: ScriptedSpec;
  private readonly host: ScriptHost;
  private readonly link: Link;
  private readonly client: ClientConnections | undefined;
  /** Undefined if every read is a frame. */
  private readonly incoming: IncomingFrames | undefined;
  private readonly columns: StateColumns;
  private readonly phases: Phases;
  private readonly numbers: RandomNumbers;
  private readonly view = new FrameView();
  private readonly calls: HandlerCalls;
  private readonly sending: Sending;
  private flags: Uint8Array<ArrayBuffer>;
  private connectionNumbers: Uint32Array<ArrayBuffer>;
  /** Code of the refusal that the current event ends with. */
  private code = 0;

  constructor({ definition, spec, host, link, client, slots }: SideOptions) {
    const { state = {}, framing, tickMs = 0 } = definition;
    // The connection object has the columns as properties, but their names are unknown to the type system.
    const handlers = (client ? definition.client : definition.server) as unknown as ClientHandlers<AnyConnection>;
    this.spec = spec;
    this.host = host;
    this.link = link;
    this.sending = new Sending(link);
    this.client = client;
    this.handshake = handlers.opened ? "setup" : "none";
    this.heartbeatMs = handlers.tick ? tickMs : 0;
    this.isAnswered = spec.isAnswered;
    const ends = spec.webSocket ? undefined : framesOf(framing);
    this.incoming = ends && new IncomingFrames(ends, this);
    this.columns = new StateColumns(state, slots);
    this.phases = new Phases(client ? spec.phases : [], host, slots);
    this.numbers = new RandomNumbers(spec.seed);
    const metrics = metricObjects(spec, host.counters, host.histograms);
    const connection = connectionOf(this, this.columns, Object.keys(state), { seed: spec.seed, metrics });
    this.calls = new HandlerCalls(handlers, connection, this.view, host.calls);
    this.flags = new Uint8Array(slots);
    this.connectionNumbers = new Uint32Array(slots);
    this.slotBytes = 5 + this.columns.slotBytes + this.phases.slotBytes;
    if (client && handlers.oneAtATime) this.isBusy = (slot) => client.unanswered(slot) > 0;
  }

  opened(slot: number): void {
    if (slot >= this.flags.length) this.grow(slot);
    this.flags[slot] = 0;
    this.connectionNumbers[slot] = this.host.nextNumber();
    this.columns.reset(slot);
    this.numbers.reset(slot);
    this.phases.begin(slot);
    if (this.calls.handlers.opened) this.call(HANDLER.opened, slot);
    else this.becomeReady(slot);
    this.settle(slot);
  }

  received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.flags[slot]! & ENDED) return;
    // Without a set-up phase, the worker itself shows what it reads; over WebSocket, messages have already been shown.
    if (this.handshake !== "none" && !this.spec.webSocket) this.client?.shown(slot, bytes, start, end);
    if (this.incoming) this.incoming.received(slot, bytes, start, end);
    else this.frame(slot, bytes, start, end);
    this.settle(slot);
  }

  frame(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    this.view.set(bytes, start, end);
    this.call(HANDLER.received, slot);
    return (this.flags[slot]! & OVER) === 0;
  }

  due(slot: number): void {
    this.event(HANDLER.due, slot);
  }

  beat(slot: number): void {
    this.event(HANDLER.tick, slot);
  }

  /** The connection is ending anyway, so an error is counted but causes no refusal. */
  closing(slot: number): void {
    if (!this.calls.handlers.closing || this.flags[slot]! & OVER) return;
    this.call(HANDLER.closing, slot);
    this.link.flush(slot);
    this.flags[slot]! |= ENDED;
  }

  closed(slot: number): void {
    // A phase in which the set-up failed does not count as completed.
    if (this.flags[slot]! & READY) this.phases.end(slot);
    this.flags[slot] = ENDED;
    this.link.discard();
    this.incoming?.drop(slot);
  }

  numberOf(slot: number): number {
    return this.connectionNumbers[slot]!;
  }

  isReady(slot: number): boolean {
    return (this.flags[slot]! & READY) !== 0;
  }

  waiting(slot: number): number {
    return this.client?.unanswered(slot) ?? 0;
  }

  random(slot: number): number {
    return this.numbers.next(slot, this.connectionNumbers[slot]!);
  }

  rowOf(slot: number): Readonly<Record<string, string>> {
    const { rows } = this.host;
    if (!rows) throw new Error("there is no data file; pass one with --data");
    const row = rows.of(this.connectionNumbers[slot]!);
    if (row) return row;
    this.refuse(slot, FAULT.NO_DATA);
    throw new NoData();
  }

  send(slot: number, content: string | Uint8Array, start?: number, end?: number): void {
    this.assertRunning("send()");
    if (this.flags[slot]! & (CLOSING | REFUSED)) throw new Error("send() after close() or refused()");
    // The connection broke during this event, which is not the script's fault.
    if (this.flags[slot]! & ENDED) return;
    this.sending.send(slot, content, start, end);
  }

  ready(slot: number): void {
    this.assertRunning("ready()");
    if (this.flags[slot]! & READY) throw new Error("ready() was called twice for a connection");
    if (this.flags[slot]! & (CLOSING | REFUSED)) throw new Error("ready() after close() or refused()");
    if (this.flags[slot]! & ENDED) return;
    this.becomeReady(slot);
  }

  answered(slot: number, count: number): void {
    if ((this.flags[slot]! & ENDED) === 0) this.clientFor("answered()", slot, count).answered(slot, count);
  }

  missed(slot: number, count: number): void {
    if ((this.flags[slot]! & ENDED) === 0) this.clientFor("missed()", slot, count).missed(slot, count);
  }

  phase(slot: number, name: string): void {
    this.assertRunning("phase()");
    this.phases.enter(slot, name);
  }

  refused(slot: number, code: number, text: string): void {
    this.assertRunning("refused()");
    if (!Number.isInteger(code) || code < 0 || code > MAX_CODE) {
      throw new RangeError(`refused(${code}): use a code from 0 to ${MAX_CODE}`);
    }
    if (typeof text !== "string") throw new TypeError(`refused(${code}): its text is not a string`);
    // The first refusal of an event counts.
    if ((this.flags[slot]! & REFUSED) === 0) this.host.board.noteRefusal(code, text);
    this.refuse(slot, CODES.scripted + code);
  }

  close(slot: number): void {
    this.assertRunning("close()");
    this.flags[slot]! |= CLOSING;
  }

  framing(): void {
    this.calls.begin(HANDLER.framing);
  }

  framed(): void {
    this.calls.end();
  }

  framingFailed(slot: number, error: unknown): void {
    this.threw(HANDLER.framing, slot, error);
  }

  private becomeReady(slot: number): void {
    this.flags[slot]! |= READY;
    this.phases.end(slot);
    this.link.ready(slot);
  }

  /** Outside an event, as in a timer, `c` may stand for any connection. */
  private assertRunning(operation: string): void {
    if (!this.calls.isRunning)
      throw new Error(`${operation} was called outside a handler, where c does not stand for a connection`);
  }

  private grow(slot: number): void {
    this.flags = grown(this.flags, slot);
    this.connectionNumbers = grown(this.connectionNumbers, slot);
    this.columns.grow(slot);
    this.phases.grow(slot);
  }

  private event(handler: number, slot: number): void {
    if (this.flags[slot]! & ENDED) return;
    this.call(handler, slot);
    this.settle(slot);
  }

  private call(handler: number, slot: number): void {
    const thrown = this.calls.call(handler, slot);
    if (thrown !== undefined) this.threw(handler, slot, thrown);
  }

  private threw(handler: number, slot: number, error: unknown): void {
    if (error instanceof NoData) return;
    this.host.counters[ERRORS]! += 1;
    this.host.board.noteError(describeError(this.spec, handler, this.connectionNumbers[slot]!, error));
    this.refuse(slot, FAULT.HANDLER_ERROR);
  }

  refuse(slot: number, code: number): void {
    // Only an event's first refusal counts.
    if (this.flags[slot]! & REFUSED) return;
    this.flags[slot]! |= REFUSED;
    this.code = code;
  }

  /** Sends the output of an event's handlers, and ends the connection if they requested it. */
  private settle(slot: number): void {
    this.link.flush(slot);
    const flags = this.flags[slot]!;
    if ((flags & (CLOSING | REFUSED)) === 0 || flags & ENDED) return;
    this.flags[slot] = flags | ENDED;
    if (flags & REFUSED) this.link.reject(slot, this.code);
    else this.link.finish(slot);
  }

  private clientFor(operation: string, slot: number, count: number): ClientConnections {
    const { client } = this;
    this.assertRunning(operation);
    if (!client) throw new Error(`${operation} is for clients`);
    const unanswered = client.unanswered(slot);
    // A message that has not been sent completely cannot have been answered.
    const answerable = unanswered > 0 && client.isSending(slot) ? unanswered - 1 : unanswered;
    if (Number.isInteger(count) && count >= 1 && count <= answerable) return client;
    throw new RangeError(`${operation}: ${count} of ${answerable} messages that wait for an answer`);
  }
}

/** Thrown to end a handler whose connection has been refused. */
class NoData extends Error {}
