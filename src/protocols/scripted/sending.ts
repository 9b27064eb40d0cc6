// Sends what a handler passes to send(): a text, encoded without allocating, or part of a buffer.
import type { Link } from "./link.js";

const TEXT_BYTES = 16 * 1024;
/** Encoding a longer text could take more memory than a thread has. */
const LONGEST_TEXT = 16 * 1024 * 1024;

export class Sending {
  private readonly link: Link;
  private readonly text = Buffer.alloc(TEXT_BYTES);

  constructor(link: Link) {
    this.link = link;
  }

  /**
   * @throws {TypeError | RangeError} for anything but a text, or bytes within the buffer
   */
  send(slot: number, content: string | Uint8Array, start?: number, end?: number): void {
    if (typeof content === "string") this.sendText(slot, content);
    else if (content instanceof Uint8Array) {
      const [from, to] = [start ?? 0, end ?? content.length];
      if (!Number.isInteger(from) || !Number.isInteger(to)) {
        throw new RangeError(`send(): bytes ${from} to ${to}: use integers`);
      }
      if (!(from >= 0 && from <= to && to <= content.length)) {
        throw new RangeError(`send(): bytes ${from} to ${to} of ${content.length} do not exist`);
      }
      this.link.send(slot, content, from, to, false);
    } else throw new TypeError("send() takes a string or a Uint8Array");
  }

  private sendText(slot: number, content: string): void {
    if (content.length > LONGEST_TEXT) {
      throw new RangeError(`send(): a string of ${content.length} characters; send at most ${LONGEST_TEXT} at once`);
    }
    // UTF-8 takes at most three bytes for each UTF-16 unit.
    const isShort = content.length * 3 <= TEXT_BYTES;
    const bytes = isShort ? this.text : Buffer.from(content);
    this.link.send(slot, bytes, 0, isShort ? this.text.write(content) : bytes.length, true);
  }
}
