// What an exchange tells the owner of its connections, and asks of it.
import type { Reopenings } from "./reopenings.js";

export interface ConnectionOwner {
  /** The protocol handshake is complete. */
  ready(slot: number): void;
  /** The protocol is done with the connection; the owner closes it. */
  close(slot: number): void;
  /** The peer refused the connection or this side did; the owner closes it and counts the code (protocols/codes.ts). */
  refused(slot: number, code: number): void;
  /** Reopens connections that the peer has closed; undefined if such connections count as lost. */
  readonly reopenings?: Reopenings | undefined;
  /** Bytes `start` to `end` of `bytes` are content. */
  shown(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /** Returns whether the connection in `slot` is ready. */
  readonly isOpen: (slot: number) => boolean;
}
