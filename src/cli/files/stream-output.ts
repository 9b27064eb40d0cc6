// Writes output to anything but a regular file: a FIFO, a terminal, /dev/null or a descriptor of this
// process.
import { closeSync, writeSync } from "node:fs";
import { codeOf, writing } from "./file-error.js";

/** Maximum time to wait for a reader that has stopped reading. */
const GRACE_MS = 10_000;
const POLL_MS = 5;

export class StreamOutput {
  readonly isStandard: boolean;
  readonly #file: string;
  readonly #fd: number;
  readonly #isOwn: boolean;
  #isClosed = false;

  constructor(file: string, fd: number, isOwn: boolean) {
    // Fails early if the descriptor is not open.
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
