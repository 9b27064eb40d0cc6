// Counts sockets opened and closed between two passes over the table, identifying each by an 8-byte hash of its
// 4-tuple.

import { type SocketQuery, stateMask } from "./query.js";
import type { GroupVisitor } from "./sources/groups.js";
import type { SummaryPart } from "./sources/together.js";
import { readTable, type SocketVisit } from "./table.js";
import type { SocketView } from "./view.js";

const START_SLOTS = 1 << 12;
/** How far a socket's place may move between two passes to be found without a search. */
const AHEAD = 16;
const SEEDS = [0x9e3779b1, 0x85ebca6b] as const;

export interface Rates {
  readonly openedPerSec: number;
  readonly closedPerSec: number;
}

/** Hashes are computed here from visited sockets, or by the BPF program. */
type HashSource = "visits" | "log";

/** Compares each pass over the table with the previous one. */
export class Churn implements SummaryPart {
  readonly query: SocketQuery;
  #before: Hashes | undefined;
  #beforeMs = 0;
  #now = new Hashes();
  #nowMs = 0;
  /** Where the hashes of the previous pass and of this one come from. They are different hashes of the same sockets. */
  #beforeSource: HashSource = "visits";
  #nowSource: HashSource = "visits";
  readonly groups: GroupVisitor = {
    addGroup: () => undefined,
    addLog: (log, sockets) => this.#addLog(log, sockets),
  };

  constructor(query: SocketQuery) {
    // Sockets in TIME_WAIT are already closed, and listeners are not connections.
    this.query = { ...query, memory: false, states: query.states ?? stateMask(["ESTABLISHED"]), tuplesOnly: true };
  }

  /**
   * @returns undefined on the first pass, which has no previous one to compare with
   */
  async read(): Promise<Rates | undefined> {
    await readTable(this.query, () => this.begin(), 1);
    return this.rates();
  }

  begin(): SocketVisit {
    const now = this.#now;
    now.size = 0;
    this.#nowMs = performance.now();
    this.#nowSource = "visits";
    return (socket) => {
      if (this.#nowSource === "log") return;
      const ports = (socket.localPort << 16) | socket.remotePort;
      if (socket.family === 4) {
        const { localIpv4, remoteIpv4 } = socket;
        const high = mix(mix(mix(SEEDS[0], ports), localIpv4), remoteIpv4);
        now.add(high, mix(mix(mix(SEEDS[1], ports), localIpv4), remoteIpv4));
      } else now.add(hashIpv6(socket, ports, SEEDS[0]), hashIpv6(socket, ports, SEEDS[1]));
    };
  }

  #addLog(log: Int32Array, sockets: number): void {
    const now = this.#now;
    // The log has the sockets that were visited in the first part, too.
    if (this.#nowSource === "visits") now.size = 0;
    this.#nowSource = "log";
    const states = this.query.states!;
    for (let at = 0; at < ENTRY_WORDS * sockets; at += ENTRY_WORDS) {
      if (((states >>> (log[at]! >>> 16)) & 1) !== 0) now.add(log[at + 2]!, log[at + 3]!);
    }
  }

  /**
   * Returns the rates between this pass, which is complete, and the previous one.
   *
   * @returns undefined on the first pass, and if the previous pass had another source
   */
  rates(): Rates | undefined {
    const before = this.#beforeSource === this.#nowSource ? this.#before : undefined;
    const now = this.#now;
    const seconds = (this.#nowMs - this.#beforeMs) / 1000;
    this.#now = this.#before ?? new Hashes();
    this.#before = now;
    this.#beforeSource = this.#nowSource;
    this.#beforeMs = this.#nowMs;
    if (!before) return undefined;
    const kept = countKept(before, now);
    return { openedPerSec: (now.size - kept) / seconds, closedPerSec: (before.size - kept) / seconds };
  }
}

/** Words of an entry of the log; see LOG in walk-groups.ts. */
const ENTRY_WORDS = 4;

/** Hashes of sockets, in the order in which they were visited. */
export class Hashes {
  size = 0;
  /** Two words per socket. */
  #words = new Int32Array(1 << 12);

  get words(): Int32Array {
    return this.#words;
  }

  add(high: number, low: number): void {
    const at = 2 * this.size++;
    if (at >= this.#words.length) {
      const longer = new Int32Array(2 * this.#words.length);
      longer.set(this.#words);
      this.#words = longer;
    }
    this.#words[at] = high;
    this.#words[at + 1] = low;
  }
}

/**
 * Returns how many sockets are in both passes. Both visit the sockets in nearly the same order, so most of them are found
 * side by side, without a hash table of all sockets, which would miss the processor's caches.
 */
export function countKept(before: Hashes, now: Hashes): number {
  const [old, words] = [before.words, now.words];
  const end = 2 * before.size;
  const gone = new TupleSet();
  const fresh: number[] = [];
  let kept = 0;
  let at = 0;
  for (let i = 0; i < 2 * now.size; i += 2) {
    const high = words[i]!;
    const low = words[i + 1]!;
    const limit = Math.min(end, at + 2 * AHEAD);
    let found = at;
    while (found < limit && (old[found] !== high || old[found + 1] !== low)) found += 2;
    if (found >= limit) {
      fresh.push(i);
      continue;
    }
    for (; at < found; at += 2) gone.add(old[at]!, old[at + 1]!);
    kept++;
    at += 2;
  }
  for (; at < end; at += 2) gone.add(old[at]!, old[at + 1]!);
  for (const i of fresh) if (gone.has(words[i]!, words[i + 1]!)) kept++;
  return kept;
}

function hashIpv6(socket: SocketView, ports: number, seed: number): number {
  let value = mix(seed, ports);
  for (let i = 0; i < 4; i++) value = mix(mix(value, socket.localWord(i)), socket.remoteWord(i));
  return value;
}

/** One round of murmur3. */
function mix(hashed: number, word: number): number {
  let k = Math.imul(word | 0, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const value = hashed ^ k;
  return (Math.imul((value << 13) | (value >>> 19), 5) + 0xe6546b64) | 0;
}

/** Open addressing in a typed array: 16 bytes per socket. */
class TupleSet {
  #size = 0;
  #slots = new Int32Array(2 * START_SLOTS);

  add(high: number, low: number): void {
    if (this.#size * 2 >= this.#slots.length / 2) this.#grow();
    const at = this.#find(high, low | 1);
    if (this.#slots[at + 1] !== 0) return;
    this.#slots[at] = high;
    // The lowest bit marks a slot as used.
    this.#slots[at + 1] = low | 1;
    this.#size++;
  }

  has(high: number, low: number): boolean {
    return this.#slots[this.#find(high, low | 1) + 1] !== 0;
  }

  #find(high: number, low: number): number {
    const mask = this.#slots.length / 2 - 1;
    for (let slot = high & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 2;
      if (this.#slots[at + 1] === 0 || (this.#slots[at] === high && this.#slots[at + 1] === low)) return at;
    }
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] === 0) continue;
      const to = this.#find(old[at]!, old[at + 1]!);
      this.#slots[to] = old[at]!;
      this.#slots[to + 1] = old[at + 1]!;
    }
  }
}
