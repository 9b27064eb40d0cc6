// Interface through which an exchange informs and queries the owner of its connections.
import type { Standstills } from "../standstills.js";
import type { Reopenings } from "./reopenings.js";

export interface ConnectionOwner {
  /** Called when the protocol handshake is complete. */
  ready(slot: number): void;
  /** Called when the protocol is done with the connection; the owner closes it. */
  close(slot: number): void;
  /**
   * Called when the peer or this side has refused the connection; the owner closes it and counts the code
   * (protocols/codes.ts).
   */
  refused(slot: number, code: number): void;
  /** Reopens connections that the peer has closed; undefined if such connections count as lost. */
  readonly reopenings?: Reopenings | undefined;
  /** Times in which the thread did not run; undefined if latencies that span them are not counted. */
  readonly standstills?: Standstills | undefined;
  /** Called with content: bytes `start` to `end` of `bytes`. */
  shown(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /** Returns whether the connection in `slot` is ready. */
  readonly isOpen: (slot: number) => boolean;
}
