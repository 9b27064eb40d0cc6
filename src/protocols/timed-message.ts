// Timed message: a client sends the same bytes whenever a message is due. Subclasses define what counts as an answer;
// AnyAnswerClient accepts any bytes.
import { grown } from "./columns.js";
import type { ClientConnections, ClientProtocol, Replies } from "./contract.js";

/** A message has been due. Bytes received before that are a greeting. Subclasses use the other bits of `marks`. */
const SENT = 1;

export abstract class TimedMessage implements ClientProtocol {
  readonly slotBytes: number = 1;
  readonly constants: readonly Uint8Array[];
  readonly replies: Replies = "none";
  readonly handshake = "none";
  readonly heartbeatMs = 0;
  abstract readonly isAnswered: boolean;
  protected readonly connections: ClientConnections;
  protected marks: Uint8Array<ArrayBuffer>;

  /** @param slots minimum number of slots that will be used */
  constructor(connections: ClientConnections, message: Uint8Array, slots: number) {
    this.connections = connections;
    this.constants = [message];
    this.marks = new Uint8Array(slots);
  }

  opened(slot: number): void {
    if (slot >= this.marks.length) this.marks = grown(this.marks, slot);
    this.marks[slot] = 0;
    this.connections.ready(slot);
  }

  due(slot: number): void {
    this.marks[slot]! |= SENT;
    this.connections.sendConstant(slot, 0);
  }

  abstract received(slot: number, bytes: Uint8Array, start: number, end: number): void;
  beat(_slot: number): void {}
  closing(_slot: number): void {}
  closed(_slot: number): void {}

  /** Returns whether a message has been due on this connection. */
  protected hasSent(slot: number): boolean {
    return (this.marks[slot]! & SENT) !== 0;
  }

  /** Returns the number of messages that may have been answered. A message must be sent completely first. */
  protected answerable(slot: number): number {
    const { connections } = this;
    const unanswered = connections.unanswered(slot);
    return unanswered > 0 && connections.isSending(slot) ? unanswered - 1 : unanswered;
  }
}

export class AnyAnswerClient extends TimedMessage {
  readonly isAnswered = true;

  /** Any bytes answer all messages sent before them, because the boundaries between answers are unknown. */
  received(slot: number, _bytes: Uint8Array, start: number, end: number): void {
    if (!this.hasSent(slot)) this.connections.unexpected(end - start);
    const answered = this.answerable(slot);
    if (answered > 0) this.connections.answered(slot, answered);
  }
}
