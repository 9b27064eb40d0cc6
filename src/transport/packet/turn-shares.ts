// Tracks how much each connection has received in this turn. The few busiest connections share a small table, so no
// memory is needed per connection. A connection that loses its entry gets a new share.

const ENTRIES = 1024;
const NONE = -1;

export class TurnShares {
  private readonly owners = new Int32Array(ENTRIES).fill(NONE);
  private readonly turns = new Uint32Array(ENTRIES);
  private readonly used = new Uint32Array(ENTRIES);
  private readonly limit: number;
  private turn = 1;

  /** @param limit number of bytes per connection and turn */
  constructor(limit: number) {
    this.limit = limit;
  }

  beginTurn(): void {
    this.turn = (this.turn + 1) >>> 0;
  }

  /** Returns how many more bytes a connection may receive in this turn. */
  left(id: number): number {
    const at = id % ENTRIES;
    return this.owners[at] === id && this.turns[at] === this.turn
      ? Math.max(0, this.limit - this.used[at]!)
      : this.limit;
  }

  take(id: number, bytes: number): void {
    const at = id % ENTRIES;
    if (this.owners[at] !== id || this.turns[at] !== this.turn) {
      this.owners[at] = id;
      this.turns[at] = this.turn;
      this.used[at] = 0;
    }
    this.used[at]! += bytes;
  }
}
