// Assigns dense numbers to pairs of integers, for grouping millions of sockets. Uses open addressing in typed arrays,
// because a Map needs an object or a boxed number per key.

const FREE = -1;

/** Assigns each distinct pair of 32-bit integers a number: 0, 1, 2, … in order of first occurrence. */
export class PairIndex {
  /** Number of distinct pairs. */
  size = 0;
  private firsts: Int32Array<ArrayBuffer>;
  private seconds: Int32Array<ArrayBuffer>;
  /** IDs by hash. The table has at least twice as many slots as there are IDs. */
  private slots: Int32Array;
  private mask: number;

  constructor(expected = 64) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, expected)));
    this.firsts = new Int32Array(capacity);
    this.seconds = new Int32Array(capacity);
    this.slots = new Int32Array(2 * capacity).fill(FREE);
    this.mask = 2 * capacity - 1;
  }

  /** Returns the pair's number, assigning one if the pair is new. */
  idOf(first: number, second: number): number {
    const a = first | 0;
    const b = second | 0;
    let slot = this.hash(a, b);
    for (;;) {
      const id = this.slots[slot]!;
      if (id === FREE) break;
      if (this.firsts[id] === a && this.seconds[id] === b) return id;
      slot = (slot + 1) & this.mask;
    }
    if (this.size === this.firsts.length) {
      this.grow();
      return this.idOf(a, b);
    }
    this.firsts[this.size] = a;
    this.seconds[this.size] = b;
    this.slots[slot] = this.size;
    return this.size++;
  }

  /** Returns the pair's number, or -1 if it is unknown. */
  find(first: number, second: number): number {
    const a = first | 0;
    const b = second | 0;
    for (let slot = this.hash(a, b); ; slot = (slot + 1) & this.mask) {
      const id = this.slots[slot]!;
      if (id === FREE || (this.firsts[id] === a && this.seconds[id] === b)) return id;
    }
  }

  /** Returns the first integer of pair `id`, signed. */
  first(id: number): number {
    return this.firsts[id]!;
  }

  second(id: number): number {
    return this.seconds[id]!;
  }

  private hash(a: number, b: number): number {
    let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b ^ (a >>> 15), 0x85ebca6b);
    h ^= h >>> 15;
    h = Math.imul(h, 0x2c1b3c6d);
    return (h ^ (h >>> 13)) & this.mask;
  }

  private grow(): void {
    const capacity = this.firsts.length * 2;
    this.firsts = longer(this.firsts, capacity);
    this.seconds = longer(this.seconds, capacity);
    this.slots = new Int32Array(2 * capacity).fill(FREE);
    this.mask = 2 * capacity - 1;
    for (let id = 0; id < this.size; id++) {
      let slot = this.hash(this.firsts[id]!, this.seconds[id]!);
      while (this.slots[slot] !== FREE) slot = (slot + 1) & this.mask;
      this.slots[slot] = id;
    }
  }
}

/** Counters by dense number, growing on demand. */
export class Counts {
  private values = new Int32Array(64);

  add(id: number, count = 1): void {
    this.makeRoom(id);
    this.values[id]! += count;
  }

  set(id: number, value: number): void {
    this.makeRoom(id);
    this.values[id] = value;
  }

  get(id: number): number {
    return this.values[id] ?? 0;
  }

  private makeRoom(id: number): void {
    if (id >= this.values.length) this.values = longer(this.values, 2 ** Math.ceil(Math.log2(id + 1)) * 2);
  }
}

/**
 * Returns the `top` numbers below `size` with the highest weights, in descending order.
 *
 * @param order breaks ties; must not depend on the order in which sockets were visited
 */
export function topIds(
  size: number,
  top: number,
  weight: (id: number) => number,
  order: (a: number, b: number) => number = (a, b) => a - b,
): number[] {
  const compare = (a: number, b: number) => weight(b) - weight(a) || order(a, b);
  // A heap of the best so far, with the lowest-ranked at its root, so that each further number is only compared with
  // the root.
  const heap: number[] = [];
  for (let id = 0; id < size; id++) {
    if (weight(id) <= 0) continue;
    if (heap.length < top) rise(heap, id, compare);
    else if (top > 0 && compare(id, heap[0]!) < 0) sink(heap, id, compare);
  }
  return heap.sort(compare);
}

/**
 * Returns the indexes of the `top` highest positive values, in descending order; among equal values, the lowest indexes.
 * Does the same as topIds(), but calls nothing for most values, because a short program runs it before it is compiled.
 */
export function topIndexes(values: Int32Array, top: number): number[] {
  const compare = (a: number, b: number) => values[b]! - values[a]! || a - b;
  const heap: number[] = [];
  if (top === 0) return heap;
  let lowest = 0;
  for (let at = 0; at < values.length; at++) {
    if (values[at]! <= lowest) continue;
    if (heap.length < top) rise(heap, at, compare);
    else sink(heap, at, compare);
    if (heap.length === top) lowest = values[heap[0]!]!;
  }
  return heap.sort(compare);
}

/** Inserts into a heap whose root is the lowest-ranked element. */
function rise(heap: number[], id: number, compare: (a: number, b: number) => number): void {
  let at = heap.push(id) - 1;
  for (let parent = (at - 1) >> 1; at > 0 && compare(id, heap[parent]!) > 0; parent = (at - 1) >> 1) {
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = id;
}

/** Replaces the root of a heap whose root is the lowest-ranked element. */
function sink(heap: number[], id: number, compare: (a: number, b: number) => number): void {
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && compare(heap[child + 1]!, heap[child]!) > 0) child++;
    if (compare(id, heap[child]!) >= 0) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = id;
}

function longer(values: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(length);
  grown.set(values);
  return grown;
}
