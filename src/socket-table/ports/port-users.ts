// Which connection uses each port of each source address: one number, or the fact that there are several. Neighbouring
// ports share a block, because a hash table with an entry for each of a million ports would miss the processor's caches.
import { PairIndex } from "../aggregate/dense-index.js";

/** Stands for a port with several users. */
export const SHARED = -1;

const BLOCK_BITS = 5;
const BLOCK = 1 << BLOCK_BITS;
/** Cells are 0 for a port without users, SHARED, or the user's number plus 1. */
const FREE = 0;

export class PortUsers {
  /** Pairs of (source address, block of ports). */
  private readonly blocks = new PairIndex();
  private cells = new Int32Array(64 * BLOCK);

  /** @param user any number from 0, such as that of a destination */
  add(source: number, port: number, user: number): void {
    const at = this.blocks.idOf(source, port >>> BLOCK_BITS) * BLOCK + (port & (BLOCK - 1));
    if (at >= this.cells.length) {
      const longer = new Int32Array(2 * this.cells.length);
      longer.set(this.cells);
      this.cells = longer;
    }
    this.cells[at] = this.cells[at] === FREE ? user + 1 : SHARED;
  }

  has(source: number, port: number): boolean {
    const block = this.blocks.find(source, port >>> BLOCK_BITS);
    return block >= 0 && this.cells[block * BLOCK + (port & (BLOCK - 1))] !== FREE;
  }

  /** @param visit receives each port in use, with its user or SHARED */
  forEach(visit: (source: number, port: number, user: number) => void): void {
    for (let at = 0; at < this.blocks.size * BLOCK; at++) {
      const cell = this.cells[at]!;
      if (cell === FREE) continue;
      const block = at >>> BLOCK_BITS;
      const port = (this.blocks.second(block) << BLOCK_BITS) | (at & (BLOCK - 1));
      visit(this.blocks.first(block), port, cell === SHARED ? SHARED : cell - 1);
    }
  }
}
