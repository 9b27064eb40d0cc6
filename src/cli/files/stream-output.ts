// Output to what is no regular file: a FIFO, a terminal, /dev/null, a descriptor of this process.
import { closeSync, writeSync } from "node:fs";
import { codeOf, writing } from "./file-error.js";

/** A reader that has stopped reading is not waited for longer. */
const GRACE_MS = 10_000;
const POLL_MS = 5;

export class StreamOutput {
  readonly isStandard: boolean;
  readonly #file: string;
  readonly #fd: number;
  readonly #isOwn: boolean;
  #isClosed = false;

  constructor(file: string, fd: number, isOwn: boolean) {
    // A descriptor that is not open is no place to write to.
    writeSync(fd, Buffer.alloc(0));
    this.#file = file;
    this.#fd = fd;
    this.#isOwn = isOwn;
    this.isStandard = fd === 1;
  }

  write(text: string): void {
    const bytes = Buffer.from(text);
    writing(this.#file, () => {
      let lastMs = performance.now();
      for (let sent = 0; sent < bytes.length; ) {
        try {
          sent += writeSync(this.#fd, bytes, sent);
          lastMs = performance.now();
        } catch (error) {
          if (codeOf(error) !== "EAGAIN" || performance.now() - lastMs > GRACE_MS) throw error;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
        }
      }
    });
  }

  close(): void {
    if (this.#isOwn && !this.#isClosed) closeSync(this.#fd);
    this.#isClosed = true;
  }
}
