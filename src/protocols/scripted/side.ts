// Runs a script's handlers as one side of a protocol, for all of a worker's connections: frames what is received, keeps
// the declared state, and turns errors and misuse into counted failures.
import { FAULT } from "../codes.js";
import type { ClientConnections, ClientProtocol, Handshake, Replies } from "../contract.js";
import type { ScriptedSpec } from "../spec/spec.js";
import { HandlerCalls } from "./calls.js";
import type { ClientHandlers, ProtocolDefinition } from "./define.js";
import { describeError } from "./error-text.js";
import { takePromise } from "./forbidden.js";
import { FrameView } from "./frames/frame-view.js";
import { framesOf } from "./frames/framing.js";
import { type FrameTaker, IncomingFrames } from "./frames/incoming.js";
import { HANDLER, type ScriptHost } from "./host.js";
import type { Link } from "./link.js";
import { ERRORS, metricObjects } from "./metrics.js";
import { HandlerOperations, NoData } from "./operations.js";
import { StateColumns } from "./state/columns.js";
import { type AnyConnection, connectionOf } from "./state/connection.js";
import { CLOSING, ENDED, Lives, READY, REFUSED, TURNED_READY } from "./state/lives.js";
import { Phases } from "./state/phases.js";
import { RandomNumbers } from "./state/random.js";

const OVER = CLOSING | REFUSED | ENDED;

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

export class ScriptedSide implements ClientProtocol, FrameTaker {
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
  /** Splits received bytes into frames; undefined if every read is a frame. */
  private readonly incoming: IncomingFrames | undefined;
  private readonly columns: StateColumns;
  private readonly phases: Phases;
  private readonly numbers: RandomNumbers;
  private readonly view = new FrameView();
  private readonly calls: HandlerCalls;
  private readonly lives: Lives;
  private readonly operations: HandlerOperations;

  constructor({ definition, spec, host, link, client, slots }: SideOptions) {
    const { state = {}, framing, tickMs = 0 } = definition;
    // The connection object has the columns as properties, but their names are unknown to the type system.
    const handlers = (client ? definition.client : definition.server) as unknown as ClientHandlers<AnyConnection>;
    this.spec = spec;
    this.host = host;
    this.link = link;
    this.client = client;
    this.handshake = handlers.opened ? "setup" : "none";
    this.heartbeatMs = handlers.tick ? tickMs : 0;
    this.isAnswered = spec.isAnswered;
    const ends = spec.webSocket ? undefined : framesOf(framing);
    this.incoming = ends && new IncomingFrames(ends, this);
    this.lives = new Lives(slots);
    this.columns = new StateColumns(state, slots);
    this.phases = new Phases(client ? spec.phases : [], host, slots);
    this.numbers = new RandomNumbers(spec.seed);
    const metrics = metricObjects(spec, host.counters, host.histograms);
    const { columns, lives, phases, numbers } = this;
    this.operations = new HandlerOperations({ host, link, client, lives, phases, numbers });
    const connection = connectionOf(this.operations, columns, Object.keys(state), { seed: spec.seed, metrics });
    this.calls = new HandlerCalls(handlers, connection, this.view, host.calls);
    this.slotBytes = lives.slotBytes + this.columns.slotBytes + this.phases.slotBytes;
    if (client && handlers.oneAtATime) this.isBusy = (slot) => client.unanswered(slot) > 0;
  }

  opened(slot: number): void {
    this.lives.begin(slot, this.host.nextNumber());
    this.columns.grow(slot);
    this.columns.reset(slot);
    this.numbers.reset(slot);
    this.phases.grow(slot);
    this.phases.begin(slot);
    if (this.calls.handlers.opened) this.call(HANDLER.opened, slot);
    else this.operations.becomeReady(slot);
    this.settle(slot);
  }

  received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.lives.flags[slot]! & ENDED) return;
    // Without a set-up phase, the worker itself shows what it reads; over WebSocket, messages have already been shown.
    if (this.handshake !== "none" && !this.spec.webSocket) this.client?.shown(slot, bytes, start, end);
    if (this.incoming) this.incoming.received(slot, bytes, start, end);
    else this.frame(slot, bytes, start, end);
    this.settle(slot);
  }

  frame(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    this.view.set(bytes, start, end);
    this.call(HANDLER.received, slot);
    return (this.lives.flags[slot]! & OVER) === 0;
  }

  due(slot: number): void {
    this.event(HANDLER.due, slot);
  }

  beat(slot: number): void {
    this.event(HANDLER.tick, slot);
  }

  /** The connection is ending anyway, so an error is counted but causes no refusal. */
  closing(slot: number): void {
    if (!this.calls.handlers.closing || this.lives.flags[slot]! & OVER) return;
    this.call(HANDLER.closing, slot);
    this.link.flush(slot);
    this.lives.flags[slot]! |= ENDED;
  }

  closed(slot: number): void {
    // A phase in which the set-up failed does not count as completed.
    if (this.lives.flags[slot]! & READY) this.phases.end(slot);
    this.lives.flags[slot] = ENDED;
    this.link.discard();
    this.incoming?.drop(slot);
  }

  framing(): void {
    this.calls.begin(HANDLER.framing);
  }

  framed(): Error | undefined {
    this.calls.end();
    return takePromise();
  }

  framingFailed(slot: number, error: unknown): void {
    this.threw(HANDLER.framing, slot, error);
  }

  private event(handler: number, slot: number): void {
    if (this.lives.flags[slot]! & ENDED) return;
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
    this.host.board.noteError(describeError(this.spec, handler, this.lives.numbers[slot]!, error));
    this.refuse(slot, FAULT.HANDLER_ERROR);
  }

  refuse(slot: number, code: number): void {
    this.lives.refuse(slot, code);
  }

  /** Sends the output of an event's handlers, and ends the connection if they requested it. */
  private settle(slot: number): void {
    this.link.flush(slot);
    if (this.lives.flags[slot]! & TURNED_READY) this.tellReady(slot);
    const flags = this.lives.flags[slot]!;
    if ((flags & (CLOSING | REFUSED)) === 0 || flags & ENDED) return;
    this.lives.flags[slot] = flags | ENDED;
    if (flags & REFUSED) this.link.reject(slot, this.lives.code);
    else this.link.finish(slot);
  }

  /** Tells the host that the connection is ready, which may make messages due at once. They precede a requested end. */
  private tellReady(slot: number): void {
    const { flags } = this.lives;
    const before = flags[slot]!;
    flags[slot] = before & ~(TURNED_READY | CLOSING | REFUSED);
    this.link.ready(slot);
    flags[slot]! |= before & (CLOSING | REFUSED);
  }
}
