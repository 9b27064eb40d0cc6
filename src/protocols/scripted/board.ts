// Stores texts that a script's handlers leave for the main thread: the stack of the first error, and the meaning of
// refusal codes. All workers of a run share one board. The first writer of an entry wins; an entry never changes
// afterwards.

const ERROR_BYTES = 4096;
const REFUSALS = 64;
const TEXT_BYTES = 120;

/** Words at the start. An entry's state is 0 while free, 1 while it is being written, and 2 once it can be read. */
const WORD = { errorState: 0, errorLength: 1, numbered: 2, refusals: 4 } as const;
/** Words of a refusal entry: state, code, and length of its text. */
const REFUSAL_WORDS = 3;
const [FREE, WRITING, WRITTEN] = [0, 1, 2] as const;

const TEXTS_AT = (WORD.refusals + REFUSALS * REFUSAL_WORDS) * 4;
const BOARD_BYTES = TEXTS_AT + ERROR_BYTES + REFUSALS * TEXT_BYTES;

export interface RefusalText {
  readonly code: number;
  readonly text: string;
}

export class Board {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly texts: Uint8Array;
  /** Codes that this worker knows to be on the board. */
  private readonly known = new Set<number>();

  /**
   * @param buffer memory of another thread's board; default: new memory
   */
  constructor(buffer = new SharedArrayBuffer(BOARD_BYTES)) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer, 0, TEXTS_AT / 4);
    this.texts = new Uint8Array(buffer, TEXTS_AT);
  }

  /** Returns the number for a server's next connection. */
  nextNumber(): number {
    return Atomics.add(this.words, WORD.numbered, 1) + 1;
  }

  /** Stores an error, unless an earlier one is stored. */
  noteError(text: string): void {
    if (Atomics.compareExchange(this.words, WORD.errorState, FREE, WRITING) !== FREE) return;
    this.words[WORD.errorLength] = this.write(text, 0, ERROR_BYTES);
    Atomics.store(this.words, WORD.errorState, WRITTEN);
  }

  /** Returns the first error; undefined if there was none. */
  get error(): string | undefined {
    if (Atomics.load(this.words, WORD.errorState) !== WRITTEN) return undefined;
    return this.read(0, this.words[WORD.errorLength]!);
  }

  /** Stores the first text given for each code, for up to 64 codes. */
  noteRefusal(code: number, text: string): void {
    if (text === "" || this.known.has(code)) return;
    this.known.add(code);
    for (let place = 0; place < REFUSALS; place++) {
      const at = WORD.refusals + place * REFUSAL_WORDS;
      if (Atomics.compareExchange(this.words, at, FREE, WRITING) === FREE) {
        this.words[at + 1] = code;
        this.words[at + 2] = this.write(text, ERROR_BYTES + place * TEXT_BYTES, TEXT_BYTES);
        Atomics.store(this.words, at, WRITTEN);
        return;
      }
      // While another thread writes an entry, its code may still be 0, which is a code of its own.
      if (Atomics.load(this.words, at) === WRITTEN && this.words[at + 1] === code) return;
    }
  }

  /** Returns the texts so far, by ascending code. */
  refusals(): RefusalText[] {
    const found = new Map<number, string>();
    for (let place = 0; place < REFUSALS; place++) {
      const at = WORD.refusals + place * REFUSAL_WORDS;
      if (Atomics.load(this.words, at) !== WRITTEN) continue;
      const [code, length] = [this.words[at + 1]!, this.words[at + 2]!];
      // Two threads may have stored the same code at the same time.
      if (!found.has(code)) found.set(code, this.read(ERROR_BYTES + place * TEXT_BYTES, length));
    }
    return [...found].map(([code, text]) => ({ code, text })).sort((a, b) => a.code - b.code);
  }

  /**
   * @returns length of the text written, which is truncated to `most` bytes
   */
  private write(text: string, at: number, most: number): number {
    return new TextEncoder().encodeInto(text, this.texts.subarray(at, at + most)).written;
  }

  private read(at: number, length: number): string {
    // TextDecoder rejects shared memory.
    return Buffer.from(this.texts.slice(at, at + length)).toString("utf8");
  }
}
