// Connects a script to its peer: over a byte stream here, over WebSocket messages in websocket.ts.
import type { Connections } from "../contract.js";

export interface Link {
  /** Sends the bytes of a frame or message, no later than in flush(). */
  send(slot: number, bytes: Uint8Array, start: number, end: number, isText: boolean): void;
  /** Called at the end of each event. */
  flush(slot: number): void;
  /** Discards bytes that have not been flushed, because the connection has ended. */
  discard(): void;
  ready(slot: number): void;
  /** Closes the connection once everything is sent. */
  finish(slot: number): void;
  reject(slot: number, code: number): void;
}

/** Size of the buffer in which small sends are combined. Larger sends go out immediately. */
const GATHERED_BYTES = 16 * 1024;

/** Combines the sends of a handler into one call. */
export class StreamLink implements Link {
  protected readonly connections: Connections;
  private readonly gathered = Buffer.alloc(GATHERED_BYTES);
  private length = 0;

  constructor(connections: Connections) {
    this.connections = connections;
  }

  send(slot: number, bytes: Uint8Array, start: number, end: number, _isText: boolean): void {
    const length = end - start;
    if (length > GATHERED_BYTES - this.length) {
      this.flush(slot);
      if (length > GATHERED_BYTES) {
        this.connections.send(slot, bytes, start, end);
        return;
      }
    }
    const { gathered } = this;
    let to = this.length;
    this.length += length;
    // For a few bytes, a system call costs more than copying them.
    if (length > 32) gathered.set(bytes.subarray(start, end), to);
    else for (let from = start; from < end; from++) gathered[to++] = bytes[from]!;
  }

  flush(slot: number): void {
    const { length } = this;
    if (length === 0) return;
    this.length = 0;
    this.connections.send(slot, this.gathered, 0, length);
  }

  discard(): void {
    this.length = 0;
  }

  ready(slot: number): void {
    this.connections.ready(slot);
  }

  finish(slot: number): void {
    this.connections.close(slot);
  }

  reject(slot: number, code: number): void {
    this.connections.refused(slot, code);
  }
}
