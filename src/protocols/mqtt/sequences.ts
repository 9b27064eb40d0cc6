// Tracks which message each connection expects next from each publisher, to detect lost and repeated messages. The
// pairs are kept in a bounded hash table of typed arrays, because there may be as many pairs as connections ×
// publishers.

/** Maximum number of pairs, which take 32 MiB per thread. Messages of further pairs are not checked. */
const MOST_PAIRS = 2 ** 20;
/** Words per entry: receiver, publisher, the publisher's connection, next message; the last is 0 in a free entry. */
const WORDS = 4;
const NEXT = 3;

/** Result of note(): the pair is new, or the table is full. */
const NEW = -1;
/** Result of note(): the message is a repeat. */
export const REPEATED = -2;

export class Sequences {
  private table = new Uint32Array(1024 * WORDS);
  private count = 0;

  /**
   * Records a message received by connection `receiver`.
   * @returns number of messages lost before this one, NEW or REPEATED
   */
  note(receiver: number, publisher: number, number: number, sequence: number): number {
    let at = this.find(receiver, publisher, number);
    const { table } = this;
    const expected = table[at + NEXT]!;
    if (expected === 0) {
      if (2 * (this.count + 1) * WORDS > table.length) {
        if (this.count >= MOST_PAIRS) return NEW;
        this.grow();
        at = this.find(receiver, publisher, number);
      }
      this.count++;
      this.table[at] = receiver;
      this.table[at + 1] = publisher;
      this.table[at + 2] = number;
      this.table[at + NEXT] = sequence + 1;
      return NEW;
    }
    if (sequence < expected) return REPEATED;
    table[at + NEXT] = sequence + 1;
    return sequence - expected;
  }

  /**
   * Returns the number of messages that a publisher's connections have published but their receivers have not received.
   *
   * @param endOf returns the sequence number after the last message of a connection; 0 to leave the connection out,
   *   whether as publisher or as receiver
   */
  missing(publisher: number, endOf: (number: number) => number): number {
    const { table } = this;
    let missing = 0;
    for (let at = 0; at < table.length; at += WORDS) {
      const next = table[at + NEXT]!;
      if (next === 0 || table[at + 1] !== publisher || endOf(table[at]!) === 0) continue;
      missing += Math.max(0, endOf(table[at + 2]!) - next);
    }
    return missing;
  }

  /** Returns the position of a pair, or the free position where it belongs. */
  private find(receiver: number, publisher: number, number: number): number {
    const { table } = this;
    const mask = table.length / WORDS - 1;
    let hash = Math.imul(receiver, 0x9e37_79b1) ^ Math.imul(publisher, 0x85eb_ca6b) ^ Math.imul(number, 0xc2b2_ae35);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
    let place = (hash ^ (hash >>> 13)) & mask;
    for (;;) {
      const at = place * WORDS;
      if (table[at + NEXT] === 0) return at;
      if (table[at] === receiver && table[at + 1] === publisher && table[at + 2] === number) return at;
      place = (place + 1) & mask;
    }
  }

  private grow(): void {
    const before = this.table;
    this.table = new Uint32Array(before.length * 2);
    for (let from = 0; from < before.length; from += WORDS) {
      if (before[from + NEXT] === 0) continue;
      const at = this.find(before[from]!, before[from + 1]!, before[from + 2]!);
      for (let word = 0; word < WORDS; word++) this.table[at + word] = before[from + word]!;
    }
  }
}
