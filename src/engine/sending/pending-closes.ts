// Marks connections to close as soon as their unsent bytes have been sent.
import { grown } from "../../protocols/columns.js";

export class PendingCloses {
  /**
   * By slot: 1 if marked. The array grows to the highest slot that had to wait.
   */
  private marks = new Uint8Array(0);

  begin(slot: number): void {
    if (slot >= this.marks.length) this.marks = grown(this.marks, slot);
    this.marks[slot] = 1;
  }

  /** Clears the mark of `slot`, whose connection has ended. */
  end(slot: number): void {
    if (slot < this.marks.length) this.marks[slot] = 0;
  }

  has(slot: number): boolean {
    return slot < this.marks.length && this.marks[slot] === 1;
  }
}
