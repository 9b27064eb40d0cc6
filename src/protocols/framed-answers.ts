// A client that recognizes where answers end, after a delimiter or a number of bytes, whatever they contain.
import type { AnswerEnd } from "./answer-end.js";
import type { ClientConnections } from "./contract.js";
import { type Opening, TimedMessage } from "./timed-message.js";

export class FramedAnswerClient extends TimedMessage {
  override readonly slotBytes: number;
  readonly isAnswered = true;
  private readonly answerEnd: AnswerEnd;
  /** Whether the greeting ends where an answer would, rather than with the first bytes read. */
  private readonly framesGreeting: boolean;

  constructor(
    connections: ClientConnections,
    message: Uint8Array,
    slots: number,
    opening: Opening,
    answers: { readonly end: AnswerEnd; readonly framesGreeting: boolean },
  ) {
    super(connections, message, slots, opening);
    this.answerEnd = answers.end;
    this.framesGreeting = answers.framesGreeting;
    this.slotBytes = 1 + answers.end.slotBytes;
  }

  override opened(slot: number): void {
    this.answerEnd.restart(slot);
    super.opened(slot);
  }

  override due(slot: number): void {
    // An answer begins with the first byte received after its message was sent.
    if (this.connections.unanswered(slot) === 0) this.answerEnd.restart(slot);
    super.due(slot);
  }

  protected override findOpeningEnd(slot: number, bytes: Uint8Array, start: number, end: number): number {
    if (this.isAwaitingGreeting(slot) && !this.framesGreeting) return end;
    return this.answerEnd.find(slot, bytes, start, end);
  }

  protected match(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const { connections } = this;
    const answerable = this.answerable(slot);
    let answered = 0;
    let at = start;
    while (answered < answerable && at >= 0 && at < end) {
      at = this.answerEnd.find(slot, bytes, at, end);
      if (at >= 0) answered++;
    }
    if (answered > 0) connections.answered(slot, answered);
    if (answered === answerable && at < end) connections.unexpected(end - at);
  }
}
