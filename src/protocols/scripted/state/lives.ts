// Tracks how far each connection has come: whether it is ready, whether a handler has ended it, and the code that it is
// refused with.
import { grown } from "../../columns.js";

// Bits of `flags`.
export const READY = 1;
/** A handler has called close(). */
export const CLOSING = 2;
/** A handler has called refused(), or has thrown. */
export const REFUSED = 4;
/** Nothing more is read or sent. */
export const ENDED = 8;
/** The connection has become ready during the current event. The host is told at the event's end. */
export const TURNED_READY = 16;

export class Lives {
  /** Bytes per connection. */
  readonly slotBytes = 5;
  flags: Uint8Array<ArrayBuffer>;
  /** The connections' numbers within the run. */
  numbers: Uint32Array<ArrayBuffer>;
  /** Code of the refusal with which the current event ends. */
  code = 0;

  constructor(slots: number) {
    this.flags = new Uint8Array(slots);
    this.numbers = new Uint32Array(slots);
  }

  begin(slot: number, number: number): void {
    if (slot >= this.flags.length) {
      this.flags = grown(this.flags, slot);
      this.numbers = grown(this.numbers, slot);
    }
    this.flags[slot] = 0;
    this.numbers[slot] = number;
  }

  /** Refuses the connection at the end of the current event. The first refusal of an event counts. */
  refuse(slot: number, code: number): void {
    if (this.flags[slot]! & REFUSED) return;
    this.flags[slot]! |= REFUSED;
    this.code = code;
  }
}
