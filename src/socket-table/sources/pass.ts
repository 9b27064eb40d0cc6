// A single pass over a source of sockets: moves the view from socket to socket, applies a test and calls the visitor,
// and periodically yields to the event loop.
import { setImmediate } from "node:timers/promises";
import type { DiagSocket } from "../../linux/netlink/diag-socket.js";
import type { DiagVisit } from "../../linux/netlink/sock-diag.js";
import { DumpFingerprint } from "../dump-fingerprint.js";
import type { SocketView } from "../view.js";

/**
 * Receives the same view object for every socket, so store values rather than the view. Return false to stop.
 */
export type SocketVisit = (socket: SocketView) => unknown;

/** Time to spend visiting sockets before yielding to the event loop. */
const TURN_MS = 10;

export class Pass {
  sockets = 0;
  wasEnded = false;
  readonly fingerprint = new DumpFingerprint();
  readonly each: DiagVisit;

  constructor(socket: DiagSocket, visit: SocketVisit, test: ((socket: SocketView) => boolean) | undefined) {
    this.each = (offset, end) => {
      socket.move(offset, end);
      if (test && !test(socket)) return true;
      this.sockets++;
      this.fingerprint.add(socket.cookie);
      if (visit(socket) !== false) return true;
      this.wasEnded = true;
      return false;
    };
  }
}

/** Calls `next` until it returns false. */
export async function turns(next: (visit: DiagVisit) => boolean, { each }: Pass): Promise<void> {
  for (let turnMs = performance.now(); next(each); ) {
    if (performance.now() - turnMs < TURN_MS) continue;
    await setImmediate();
    turnMs = performance.now();
  }
}
