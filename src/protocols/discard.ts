// The discard protocol: the server reads and discards (RFC 863); the client sends messages on schedule and
// expects no answers.
import type { Connections, Protocol, Replies } from "./contract.js";
import { TimedMessage } from "./timed-message.js";

export class DiscardServer implements Protocol {
  readonly slotBytes: number = 0;
  readonly constants: readonly Uint8Array[] = [];
  readonly replies: Replies = "none";
  readonly handshake = "none";
  readonly heartbeatMs = 0;
  protected readonly connections: Connections;

  constructor(connections: Connections) {
    this.connections = connections;
  }

  opened(slot: number): void {
    this.connections.ready(slot);
  }

  received(_slot: number, _bytes: Uint8Array, _start: number, _end: number): void {}
  beat(_slot: number): void {}
  closing(_slot: number): void {}
  closed(_slot: number): void {}
}

export class DiscardClient extends TimedMessage {
  readonly isAnswered = false;
  readonly gathers = true;

  protected match(slot: number, _bytes: Uint8Array, start: number, end: number): void {
    if (!this.hasSent(slot)) this.connections.unexpected(end - start);
  }
}
