// Splits received bytes into frames. An incomplete frame is buffered until the rest arrives, without being copied again
// for every byte.
import { FAULT } from "../../codes.js";
import { Leftovers } from "../../leftovers.js";
import { BAD_LENGTH, type FrameEnds, INCOMPLETE } from "./framing.js";

export interface FrameTaker {
  /** @returns whether more frames may follow */
  frame(slot: number, bytes: Uint8Array, start: number, end: number): boolean;
  /** Called to end the connection with a code from codes.ts. */
  refuse(slot: number, code: number): void;
  /** Called before and after the user's own framing function runs. */
  framing(): void;
  /** @returns an error if the function has created a promise */
  framed(): Error | undefined;
  framingFailed(slot: number, error: unknown): void;
}

export class IncomingFrames {
  private readonly ends: FrameEnds;
  private readonly taker: FrameTaker;
  private readonly leftovers = new Leftovers();

  constructor(ends: FrameEnds, taker: FrameTaker) {
    this.ends = ends;
    this.taker = taker;
  }

  received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const { leftovers } = this;
    const known = leftovers.lengthOf(slot);
    if (known === 0) {
      this.read(slot, bytes, start, end, start);
      return;
    }
    if (!this.keep(slot, bytes, start, end)) return;
    const length = known + end - start;
    if (this.find(slot, leftovers.bytesOf(slot), 0, length, known) < 0) return;
    // Moves the buffered bytes to where no later call of a handler changes them, without adding any.
    leftovers.join(slot, bytes, end, end);
    this.read(slot, leftovers.joined, 0, length, known);
  }

  drop(slot: number): void {
    this.leftovers.drop(slot);
  }

  /** @param from bytes before this index are known not to complete a frame */
  private read(slot: number, bytes: Uint8Array, start: number, end: number, from: number): void {
    const { taker, ends } = this;
    let known = from;
    for (let at = start; at < end; ) {
      const next = this.find(slot, bytes, at, end, known);
      if (next < 0) {
        if (next === INCOMPLETE) this.keep(slot, bytes, at, end);
        return;
      }
      if (!taker.frame(slot, bytes, at, next - ends.hidden)) return;
      at = known = next;
    }
  }

  private keep(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    const hasRoom = this.leftovers.keep(slot, bytes, start, end);
    if (!hasRoom) this.taker.refuse(slot, FAULT.FRAME_TOO_LONG);
    return hasRoom;
  }

  /** @returns the index after a frame, or a negative number; if that is not INCOMPLETE, the connection is refused */
  private find(slot: number, bytes: Uint8Array, start: number, end: number, known: number): number {
    const { taker } = this;
    let found: number = BAD_LENGTH;
    let isFailed = false;
    taker.framing();
    try {
      found = this.ends.find(bytes, start, end, known);
    } catch (error) {
      isFailed = true;
      taker.framingFailed(slot, error);
    }
    const promise = taker.framed();
    if (isFailed) return BAD_LENGTH;
    if (promise !== undefined) {
      taker.framingFailed(slot, promise);
      return BAD_LENGTH;
    }
    if (found < INCOMPLETE) taker.refuse(slot, found === BAD_LENGTH ? FAULT.BAD_LENGTH : FAULT.FRAME_TOO_LONG);
    return found;
  }
}
