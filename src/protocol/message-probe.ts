// The client's side of an echo: counts which of the messages sent on a connection have come back whole. A state
// machine over bytes for many connections at once, indexed by a small number; it knows no descriptor and no clock.

/** Follows the messages of up to `capacity` connections; grows with the highest index used. */
export class MessageProbe {
  private readonly message: Uint8Array;
  /** Bytes sent and not yet echoed. */
  private awaited: Float64Array;
  /** 1 once the connection has echoed, or greeted while nothing was awaited. */
  private isAligned: Uint8Array;

  constructor(message: Uint8Array, capacity: number) {
    this.message = message;
    this.awaited = new Float64Array(capacity);
    this.isAligned = new Uint8Array(capacity);
  }

  /** Forgets what was known of `connection`: call it for each new one. */
  open(connection: number): void {
    if (connection >= this.awaited.length) this.grow(connection);
    this.awaited[connection] = 0;
    this.isAligned[connection] = 0;
  }

  /** One more whole message is on its way. @returns how many were unanswered before it */
  sent(connection: number): number {
    const before = this.unanswered(connection);
    this.awaited[connection]! += this.message.length;
    return before;
  }

  /** Messages sent and not yet echoed whole. */
  unanswered(connection: number): number {
    return Math.ceil(this.awaited[connection]! / this.message.length);
  }

  /**
   * Takes `length` received bytes. Bytes that nothing asked for, a greeting before or in front of the first
   * echo, answer no message.
   *
   * @returns how many messages they complete
   */
  receive(connection: number, bytes: Uint8Array, length: number): number {
    const awaited = this.awaited[connection]!;
    if (awaited === 0) return 0;
    let useful = length;
    if (this.isAligned[connection] === 0) {
      const start = this.echoStart(bytes, length);
      if (start < 0) return 0;
      this.isAligned[connection] = 1;
      useful -= start;
    }
    const before = this.unanswered(connection);
    this.awaited[connection] = Math.max(0, awaited - useful);
    return before - this.unanswered(connection);
  }

  /** Where the first echo begins in `bytes`, -1 when all of it is a greeting. */
  private echoStart(bytes: Uint8Array, length: number): number {
    for (let start = 0; start < length; start++) {
      const compared = Math.min(this.message.length, length - start);
      let same = 0;
      while (same < compared && bytes[start + same] === this.message[same]) same++;
      if (same === compared) return start;
    }
    return -1;
  }

  private grow(connection: number): void {
    const length = Math.max(connection + 1, this.awaited.length * 2);
    const awaited = new Float64Array(length);
    const isAligned = new Uint8Array(length);
    awaited.set(this.awaited);
    isAligned.set(this.isAligned);
    this.awaited = awaited;
    this.isAligned = isAligned;
  }
}
