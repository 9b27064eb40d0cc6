// A protocol host for tests that records calls and sends nothing.
import type { ClientConnections, ClientProtocol } from "../../src/protocols/contract.js";

/** The calls that a protocol made for one connection. */
export interface Said {
  sent: string;
  isReady: boolean;
  isClosed: boolean;
  /** Whether the protocol expects the peer to close the connection. */
  isLast: boolean;
  refusedWith: number | undefined;
  answered: number;
  /** Number of messages reported as never to be answered. */
  missed: number;
  /** Number of heartbeats sent, and of heartbeats answered by the peer. */
  beats: number;
  livesigns: number;
  pongs: number;
  /** Statuses of HTTP responses. */
  statuses: number[];
}

export class ProtocolHost implements ClientConnections {
  unexpectedBytes = 0;
  mismatchedBytes = 0;
  lostMessages = 0;
  repeatedMessages = 0;
  /** Due times of the published messages that arrived. */
  readonly deliveredUs: number[] = [];
  /** Codes with which single messages were refused. */
  readonly declinedWith: number[] = [];
  /** The due time of every message. */
  nowUs = 0;
  /** Records by slot. */
  readonly said: Said[] = [];
  /** Content reported by the protocol, by slot. */
  readonly content: string[] = [];
  /** The constants of the protocol under test. */
  constants: readonly Uint8Array[] = [];
  /** Whether calls are recorded; false for millions of connections. */
  keeps = true;
  private readonly waiting: number[] = [];
  private readonly sending = new Set<number>();

  opened(slot: number): void {
    this.waiting[slot] = 0;
    this.sending.delete(slot);
    if (this.keeps) {
      this.said[slot] = {
        sent: "",
        isReady: false,
        isClosed: false,
        isLast: false,
        refusedWith: undefined,
        answered: 0,
        missed: 0,
        beats: 0,
        livesigns: 0,
        pongs: 0,
        statuses: [],
      };
      this.content[slot] = "";
    }
  }

  /** Makes a message due, which is sent in part or completely. */
  begin(protocol: ClientProtocol, slot: number): void {
    if (protocol.isBusy?.(slot)) return;
    protocol.due(slot);
    this.sending.add(slot);
    if (protocol.isAnswered) this.waiting[slot] = this.unanswered(slot) + 1;
  }

  /** Returns whether the protocol has refused or closed the connection, after which it must not be called for it. */
  hasEnded(slot: number): boolean {
    const said = this.said[slot];
    return said !== undefined && (said.isClosed || said.refusedWith !== undefined);
  }

  finish(slot: number): void {
    this.sending.delete(slot);
  }

  sendConstant(slot: number, place: number): void {
    const bytes = this.constants[place]!;
    this.send(slot, bytes, 0, bytes.length);
  }

  send(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.keeps) this.said[slot]!.sent += Buffer.from(bytes.subarray(start, end)).toString("latin1");
  }

  ready(slot: number): void {
    if (this.keeps) this.said[slot]!.isReady = true;
  }

  refused(slot: number, code: number): void {
    this.said[slot]!.refusedWith = code;
  }

  close(slot: number): void {
    this.said[slot]!.isClosed = true;
  }

  answered(slot: number, count: number): void {
    this.waiting[slot]! -= count;
    if (this.keeps) this.said[slot]!.answered += count;
  }

  missed(slot: number, count: number): void {
    this.waiting[slot]! -= count;
    if (this.keeps) this.said[slot]!.missed += count;
  }

  closes(slot: number): void {
    this.said[slot]!.isLast = true;
  }

  declined(_slot: number, code: number): void {
    this.declinedWith.push(code);
  }

  dueUs(_slot: number): number {
    return this.nowUs;
  }

  delivered(dueUs: number): void {
    if (this.keeps) this.deliveredUs.push(dueUs);
  }

  undelivered(count: number): void {
    this.lostMessages += count;
  }

  repeated(): void {
    this.repeatedMessages += 1;
  }

  unanswered(slot: number): number {
    return this.waiting[slot] ?? 0;
  }

  isSending(slot: number): boolean {
    return this.sending.has(slot);
  }

  responded(slot: number, status: number): void {
    if (this.keeps) this.said[slot]!.statuses.push(status);
  }

  beaten(slot: number): void {
    if (this.keeps) this.said[slot]!.beats += 1;
  }

  alive(slot: number): void {
    if (this.keeps) this.said[slot]!.livesigns += 1;
  }

  ponged(slot: number): void {
    if (this.keeps) this.said[slot]!.pongs += 1;
  }

  shown(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.keeps) this.content[slot] += Buffer.from(bytes.subarray(start, end)).toString("latin1");
  }

  unexpected(bytes: number): void {
    this.unexpectedBytes += bytes;
  }

  mismatched(bytes: number): void {
    this.mismatchedBytes += bytes;
  }
}
