// Open-addressing hash table of connection numbers in a typed array: 4 bytes per entry, at most half full. The subclass
// stores the keys by connection number.
import { discard } from "../../linux/syscalls/pages.js";

const FIRST = 64;

export abstract class IdTable {
  /** Connection number + 1; 0 for none. */
  protected table = new Int32Array(FIRST);
  private count = 0;

  /** Returns the hash of a connection's key. */
  protected abstract hashOf(id: number): number;

  /** Adds a connection, whose key must not be in the table. */
  protected add(id: number): void {
    this.count++;
    if (this.count * 2 > this.table.length) this.grow();
    this.place(id);
  }

  /** Removes a connection, which must be in the table. */
  protected remove(id: number): void {
    const { table } = this;
    const mask = table.length - 1;
    let gap = this.position(id);
    this.count--;
    // Close the gap by moving up entries that belong at or before it.
    for (let at = (gap + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = this.hashOf(table[at]! - 1) & mask;
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      table[gap] = table[at]!;
      gap = at;
    }
    table[gap] = 0;
  }

  /** Replaces a connection's number. The subclass must know the connection's key under both numbers. */
  protected replace(from: number, to: number): void {
    this.table[this.position(from)] = to + 1;
  }

  private position(id: number): number {
    const { table } = this;
    const mask = table.length - 1;
    let at = this.hashOf(id) & mask;
    while (table[at] !== id + 1) at = (at + 1) & mask;
    return at;
  }

  private place(id: number): void {
    const { table } = this;
    const mask = table.length - 1;
    let at = this.hashOf(id) & mask;
    while (table[at] !== 0) at = (at + 1) & mask;
    table[at] = id + 1;
  }

  private grow(): void {
    const { table } = this;
    this.table = new Int32Array(table.length * 2);
    for (let at = 0; at < table.length; at++) if (table[at] !== 0) this.place(table[at]! - 1);
    discard(table);
  }
}
