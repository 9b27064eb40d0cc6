// A received frame as handlers see it. One object serves all frames of a worker.
import type { Frame } from "../define.js";

const NONE = new Uint8Array(0);

export class FrameView implements Frame {
  bytes: Uint8Array = NONE;
  start = 0;
  end = 0;
  private view: DataView = new DataView(NONE.buffer);

  /** Points the view at bytes `start` to `end`. */
  set(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  get length(): number {
    return this.end - this.start;
  }

  u8(at = 0): number {
    return this.bytes[this.place(at, 1)]!;
  }

  u16(at = 0): number {
    const place = this.place(at, 2);
    return (this.bytes[place]! << 8) | this.bytes[place + 1]!;
  }

  u16le(at = 0): number {
    const place = this.place(at, 2);
    return (this.bytes[place + 1]! << 8) | this.bytes[place]!;
  }

  u32(at = 0): number {
    const place = this.place(at, 4);
    const { bytes } = this;
    return ((bytes[place]! << 24) | (bytes[place + 1]! << 16) | (bytes[place + 2]! << 8) | bytes[place + 3]!) >>> 0;
  }

  u32le(at = 0): number {
    const place = this.place(at, 4);
    const { bytes } = this;
    return ((bytes[place + 3]! << 24) | (bytes[place + 2]! << 16) | (bytes[place + 1]! << 8) | bytes[place]!) >>> 0;
  }

  f64(at = 0): number {
    return this.dataView().getFloat64(this.place(at, 8), false);
  }

  f64le(at = 0): number {
    return this.dataView().getFloat64(this.place(at, 8), true);
  }

  text(from = 0, to = this.length): string {
    const { bytes, start, length } = this;
    const [first, last] = [start + Math.max(0, from), start + Math.min(length, to)];
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8", first, last);
  }

  equals(content: string | Uint8Array): boolean {
    return content.length === this.length && this.startsWith(content);
  }

  startsWith(content: string | Uint8Array, at = 0): boolean {
    const { bytes } = this;
    const from = this.start + at;
    if (at < 0 || content.length > this.end - from) return false;
    if (typeof content === "string") {
      for (let n = 0; n < content.length; n++) if (bytes[from + n] !== content.charCodeAt(n)) return false;
      return true;
    }
    for (let n = 0; n < content.length; n++) if (bytes[from + n] !== content[n]) return false;
    return true;
  }

  /**
   * Returns the index in the buffer of a position in the frame. An error is thrown for a position outside the
   * frame, where there are bytes of other frames.
   */
  private place(at: number, size: number): number {
    if (at >>> 0 !== at || at + size > this.end - this.start) {
      throw new RangeError(`the frame has ${this.length} bytes, so there are no ${size} at ${at}`);
    }
    return this.start + at;
  }

  private dataView(): DataView {
    const { bytes, view } = this;
    if (view.buffer !== bytes.buffer || view.byteOffset !== bytes.byteOffset || view.byteLength !== bytes.length) {
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    return this.view;
  }
}
