// Implements what handlers do with a connection: send, report progress, end it. Misuse throws an error that
// says what is wrong.
import { CODES, FAULT } from "../codes.js";
import type { ClientConnections } from "../contract.js";
import { CALL, type ScriptHost } from "./host.js";
import type { Link } from "./link.js";
import { Sending } from "./sending.js";
import type { Operations } from "./state/connection.js";
import { CLOSING, ENDED, type Lives, READY, REFUSED, TURNED_READY } from "./state/lives.js";
import type { Phases } from "./state/phases.js";
import type { RandomNumbers } from "./state/random.js";

const MAX_CODE = 65_535;

interface Parts {
  readonly host: ScriptHost;
  readonly link: Link;
  /** Undefined for a server. */
  readonly client: ClientConnections | undefined;
  readonly lives: Lives;
  readonly phases: Phases;
  readonly numbers: RandomNumbers;
}

export class HandlerOperations implements Operations {
  private readonly host: ScriptHost;
  private readonly client: ClientConnections | undefined;
  private readonly lives: Lives;
  private readonly phases: Phases;
  private readonly numbers: RandomNumbers;
  private readonly sending: Sending;

  constructor({ host, link, client, lives, phases, numbers }: Parts) {
    this.host = host;
    this.client = client;
    this.lives = lives;
    this.phases = phases;
    this.numbers = numbers;
    this.sending = new Sending(link);
  }

  numberOf(slot: number): number {
    return this.lives.numbers[slot]!;
  }

  isReady(slot: number): boolean {
    return (this.lives.flags[slot]! & READY) !== 0;
  }

  waiting(slot: number): number {
    return this.client?.unanswered(slot) ?? 0;
  }

  random(slot: number): number {
    return this.numbers.next(slot, this.lives.numbers[slot]!);
  }

  rowOf(slot: number): Readonly<Record<string, string>> {
    const { rows } = this.host;
    if (!rows) throw new Error("there is no data file; pass one with --data");
    const row = rows.of(this.lives.numbers[slot]!);
    if (row) return row;
    this.lives.refuse(slot, FAULT.NO_DATA);
    throw new NoData();
  }

  send(slot: number, content: string | Uint8Array, start?: number, end?: number): void {
    this.assertRunning("send()");
    const flags = this.lives.flags[slot]!;
    if (flags & (CLOSING | REFUSED)) throw new Error("send() after close() or refused()");
    // The connection broke during this event, which is not the user's mistake.
    if (flags & ENDED) return;
    this.sending.send(slot, content, start, end);
  }

  ready(slot: number): void {
    this.assertRunning("ready()");
    const flags = this.lives.flags[slot]!;
    if (flags & READY) throw new Error("ready() was called twice for a connection");
    if (flags & (CLOSING | REFUSED)) throw new Error("ready() after close() or refused()");
    if (flags & ENDED) return;
    this.becomeReady(slot);
  }

  /** Like ready(), for a side without a setup. */
  becomeReady(slot: number): void {
    this.lives.flags[slot]! |= READY | TURNED_READY;
    this.phases.end(slot);
  }

  answered(slot: number, count: number): void {
    if ((this.lives.flags[slot]! & ENDED) === 0) this.clientFor("answered()", slot, count).answered(slot, count);
  }

  missed(slot: number, count: number): void {
    if ((this.lives.flags[slot]! & ENDED) === 0) this.clientFor("missed()", slot, count).missed(slot, count);
  }

  phase(slot: number, name: string): void {
    this.assertRunning("phase()");
    this.phases.enter(slot, name);
  }

  refused(slot: number, code: number, text: string): void {
    this.assertRunning("refused()");
    if (!Number.isInteger(code) || code < 0 || code > MAX_CODE) {
      const shown = typeof code === "number" ? code : JSON.stringify(String(code));
      throw new RangeError(`refused(${shown}): use a whole number from 0 to ${MAX_CODE}`);
    }
    if (typeof text !== "string") throw new TypeError(`refused(${code}): its text is not a string`);
    if ((this.lives.flags[slot]! & REFUSED) === 0) this.host.board.noteRefusal(code, text);
    this.lives.refuse(slot, CODES.scripted + code);
  }

  close(slot: number): void {
    this.assertRunning("close()");
    this.lives.flags[slot]! |= CLOSING;
  }

  /** After the handler has returned, as in a timer, `c` may stand for any connection. */
  private assertRunning(operation: string): void {
    if (this.host.calls[CALL.handler] === 0) {
      throw new Error(`${operation} was called outside a handler, where c does not stand for a connection`);
    }
  }

  private clientFor(operation: string, slot: number, count: number): ClientConnections {
    const { client } = this;
    this.assertRunning(operation);
    if (!client) throw new Error(`${operation} is for clients`);
    const unanswered = client.unanswered(slot);
    // A message that has not been sent completely cannot have been answered.
    const answerable = unanswered > 0 && client.isSending(slot) ? unanswered - 1 : unanswered;
    if (Number.isInteger(count) && count >= 1 && count <= answerable) return client;
    throw new RangeError(`${operation}: ${count} of ${answerable} messages that are waiting for an answer`);
  }
}

/** Ends a handler whose connection has been refused. */
export class NoData extends Error {}
