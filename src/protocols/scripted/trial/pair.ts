// Connects both sides of a definition in memory. What one side sends, the other receives in pieces of a chosen size, so
// a protocol can be tried without sockets, threads or clocks.

import { Histogram } from "../../../results/histogram/histogram.js";
import { codeName } from "../../codes.js";
import type { ClientConnections } from "../../contract.js";
import type { ScriptedSpec } from "../../spec/spec.js";
import { Board } from "../board.js";
import type { ProtocolDefinition } from "../define.js";
import type { Rows } from "../file/rows.js";
import { CALL, type ScriptHost } from "../host.js";
import { StreamLink } from "../link.js";
import { layoutOf } from "../metrics.js";
import { ScriptedSide } from "../side.js";

/** Number of delivered pieces after which a conversation counts as endless: two sides may answer each other forever. */
const MOST_PIECES = 100_000;

export const SLOT = 0;

/** Shared by all pairs, because only one handler of a thread runs at a time. */
export const TRIAL_CALLS = new Int32Array(CALL.words);

/** Outcome of a connection at one end. */
export interface Outcome {
  readonly isReady: boolean;
  readonly isClosed: boolean;
  /** Name of the failure; undefined if the connection was not refused. */
  readonly refusedWith: string | undefined;
  readonly answered: number;
  /** Number of messages that the client has reported by missed(). */
  readonly missed: number;
}

/** One end of the connection: records what its side does, and queues what it sends. */
class End implements ClientConnections {
  side!: ScriptedSide;
  isReady = false;
  isClosed = false;
  refusedWith: string | undefined;
  answers = 0;
  misses = 0;
  waiting = 0;
  /** Whole messages over WebSocket; otherwise one entry per call. */
  readonly queue: Uint8Array[] = [];

  open(): void {
    this.isReady = this.isClosed = false;
    this.refusedWith = undefined;
    this.answers = this.misses = this.waiting = this.queue.length = 0;
    this.side.opened(SLOT);
  }

  get hasEnded(): boolean {
    return this.isClosed || this.refusedWith !== undefined;
  }

  get outcome(): Outcome {
    const { isReady, isClosed, refusedWith, answers, misses } = this;
    return { isReady, isClosed, refusedWith, answered: answers, missed: misses };
  }

  send(_slot: number, bytes: Uint8Array, start: number, end: number): void {
    this.queue.push(Uint8Array.from(bytes.subarray(start, end)));
  }

  ready(): void {
    this.isReady = true;
  }

  close(): void {
    this.isClosed = true;
    this.side.closed(SLOT);
  }

  refused(_slot: number, code: number): void {
    this.refusedWith = codeName(code);
    this.side.closed(SLOT);
  }

  answered(_slot: number, count: number): void {
    this.waiting -= count;
    this.answers += count;
  }

  missed(_slot: number, count: number): void {
    this.waiting -= count;
    this.misses += count;
  }

  unanswered(): number {
    return this.waiting;
  }

  isSending(): boolean {
    return false;
  }

  sendConstant(): void {}
  responded(): void {}
  beaten(): void {}
  alive(): void {}
  ponged(): void {}
  closes(): void {}
  declined(): void {}
  dueUs(): number {
    return 0;
  }
  shown(): void {}
  delivered(): void {}
  undelivered(): void {}
  repeated(): void {}
  unexpected(): void {}
  mismatched(): void {}
}

/** A link that passes messages on unchanged, for protocols over WebSocket. */
class MessageLink extends StreamLink {
  override send(slot: number, bytes: Uint8Array, start: number, end: number): void {
    this.connections.send(slot, bytes, start, end);
  }
}

export class Pair {
  readonly client = new End();
  readonly server = new End();
  private readonly hosts: ScriptHost[] = [];
  private readonly isWhole: boolean;
  private readonly sends: boolean;

  /**
   * @param specs specs of the two sides
   */
  constructor(definition: ProtocolDefinition, specs: Readonly<Record<"client" | "server", ScriptedSpec>>, rows?: Rows) {
    this.isWhole = definition.over === "websocket";
    this.sends = specs.client.sends;
    for (const name of ["client", "server"] as const) {
      const end = this[name];
      const host = hostFor(specs[name], rows);
      const link = this.isWhole ? new MessageLink(end) : new StreamLink(end);
      const client = name === "client" ? end : undefined;
      this.hosts.push(host);
      end.side = new ScriptedSide({ definition, spec: specs[name], host, link, client, slots: 1 });
    }
  }

  /** Number of handler calls so far, in this pair or any other. */
  get calls(): number {
    return TRIAL_CALLS[CALL.count]!;
  }

  /** First error of a handler. */
  get error(): string | undefined {
    return this.hosts.map(({ board }) => board.error).find((error) => error !== undefined);
  }

  open(): void {
    this.server.open();
    this.client.open();
  }

  /** Makes a message due, unless the client is waiting for an answer. */
  due(): void {
    const { client } = this;
    if (!this.sends || !client.isReady || client.hasEnded || client.side.isBusy?.(SLOT)) return;
    client.side.due(SLOT);
    if (client.side.isAnswered && !client.hasEnded) client.waiting++;
  }

  /** Calls both sides' ticks. */
  tick(): void {
    for (const { side, isReady, hasEnded } of [this.client, this.server]) {
      if (isReady && !hasEnded && side.heartbeatMs > 0) side.beat(SLOT);
    }
  }

  /**
   * Delivers queued pieces until none are left.
   *
   * @param cut returns how many bytes of a piece to deliver at once
   * @param most maximum number of pieces
   * @returns whether the conversation has ended
   */
  exchange(cut: (length: number) => number, most = MOST_PIECES): boolean {
    for (let n = 0; n < most; n++) {
      if (!this.deliver(this.client, this.server, cut) && !this.deliver(this.server, this.client, cut)) return true;
    }
    return false;
  }

  /** Ends the connection at both ends. */
  end(): void {
    for (const end of [this.client, this.server]) {
      if (!end.hasEnded) end.side.closed(SLOT);
    }
  }

  private deliver(from: End, to: End, cut: (length: number) => number): boolean {
    const bytes = from.queue.shift();
    if (bytes === undefined) return false;
    if (to.hasEnded || bytes.length === 0) return true;
    const size = this.isWhole ? bytes.length : Math.min(bytes.length, Math.max(1, cut(bytes.length)));
    if (size < bytes.length) from.queue.unshift(bytes.subarray(size));
    to.side.received(SLOT, bytes, 0, size);
    return true;
  }
}

function hostFor(spec: ScriptedSpec, rows: Rows | undefined): ScriptHost {
  const layout = layoutOf(spec);
  return {
    counters: new Float64Array(layout.counters),
    histograms: Array.from({ length: layout.histograms }, () => new Histogram()),
    calls: TRIAL_CALLS,
    board: new Board(),
    rows,
    // Number every connection 1, so that all of them behave alike.
    nextNumber: () => 1,
  };
}
