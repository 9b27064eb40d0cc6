// Delivers received bytes and FINs to the role, at most a share per connection and turn. What the role does not take
// at once waits in the stack and is delivered in later turns.
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import type { TurnBudget } from "../contract.js";
import { SlotQueue } from "../slot-queue.js";
import { BLOCKED, FIN_UNTOLD, TCP } from "./tcp/connections.js";
import { receiveWindow } from "./tcp/output.js";
import { releaseIfIdle } from "./tcp/sending.js";
import type { Stack } from "./tcp/stack.js";
import { TurnShares } from "./turn-shares.js";

/** If the last announced window was smaller than this, the peer is told once there is room again. */
const SMALL_WINDOW = 32 * 1024;

/** Takes what is delivered. */
export interface Recipient {
  /** Whether it takes nothing from any connection. */
  readonly isHeld: boolean;
  /** Whether it may leave delivered bytes in the stack, to see them again. */
  readonly peeks: boolean;
  /** Whether it takes this connection's data now. */
  canRead(slot: number): boolean;
  /** @returns number of bytes taken; the connection may have been closed */
  deliver(slot: number, buffer: NativeBuffer, offset: number, length: number): number;
  /** Takes the peer's FIN, for which it can read. */
  deliverEnd(slot: number): void;
}

export class Delivery {
  private readonly stack: Stack;
  private readonly budget: TurnBudget;
  private readonly recipient: Recipient;
  private readonly shares: TurnShares;
  /** Connections with undelivered bytes that the recipient can take. */
  private readonly leftovers = new SlotQueue();
  private readonly scratch: NativeBuffer;

  constructor(stack: Stack, budget: TurnBudget, recipient: Recipient) {
    this.stack = stack;
    this.budget = budget;
    this.recipient = recipient;
    this.shares = new TurnShares(budget.connectionBytes);
    this.scratch = new NativeBuffer(budget.readBytes);
  }

  /** Whether there is something to deliver in the next turn. */
  get isPending(): boolean {
    return this.leftovers.length > 0 && !this.recipient.isHeld;
  }

  beginTurn(): void {
    this.shares.beginTurn();
  }

  /** Delivers bytes that have just arrived. @returns number of bytes taken; the rest is to wait in the stack */
  arrived(slot: number, buffer: NativeBuffer, offset: number, length: number): number {
    if (!this.recipient.canRead(slot)) return 0;
    const size = Math.min(length, this.shares.left(slot), this.budget.readBytes);
    if (size === 0) return 0;
    this.shares.take(slot, size);
    return this.recipient.deliver(slot, buffer, offset, size);
  }

  /** Delivers a FIN that follows the last byte, or lets it wait. */
  ended(slot: number): void {
    const { connections } = this.stack;
    if (!this.recipient.canRead(slot)) {
      connections.add(slot, FIN_UNTOLD);
      this.queued(slot);
      return;
    }
    connections.remove(slot, FIN_UNTOLD);
    this.recipient.deliverEnd(slot);
  }

  /** Something of this connection waits in the stack. */
  queued(slot: number): void {
    // Otherwise, reading continues once the connection can send again.
    if (this.recipient.canRead(slot) || this.recipient.isHeld) this.leftovers.push(slot);
  }

  /** Makes the next turn deliver what waits, if anything does. */
  resume(slot: number): void {
    if (this.hasUnread(slot)) this.leftovers.push(slot);
  }

  /** Delivers what waits, for a limited number of connections. */
  goOn(): void {
    const { leftovers, recipient } = this;
    if (recipient.isHeld) return;
    for (let n = Math.min(leftovers.length, this.budget.resumed); n > 0; n--) {
      const slot = leftovers.shift();
      // The slot may since have been closed or reused.
      while (this.hasUnread(slot) && recipient.canRead(slot)) {
        if (this.readUnread(slot) === 0) {
          // Unless the connection must wait for its peer to read, it continues in the next turn.
          const waitsForPeer = recipient.peeks && this.stack.connections.has(slot, BLOCKED);
          if (this.hasUnread(slot) && !waitsForPeer) leftovers.push(slot);
          break;
        }
      }
    }
  }

  /** Delivers as much as the recipient takes of a connection that is about to end. */
  deliverLast(slot: number): void {
    while (this.hasUnread(slot) && this.recipient.canRead(slot) && this.readUnread(slot) > 0);
  }

  private hasUnread(slot: number): boolean {
    const { records, connections } = this.stack;
    const record = records.of(slot);
    return connections.has(slot, FIN_UNTOLD) || (record >= 0 && records.unread.length[record]! > 0);
  }

  /**
   * Delivers bytes that have been waiting, and the FIN after them.
   * @returns number of bytes; 0 if there is nothing to do
   */
  private readUnread(slot: number): number {
    const { records, connections } = this.stack;
    const record = records.of(slot);
    const waiting = record < 0 ? 0 : records.unread.length[record]!;
    if (waiting === 0) {
      this.ended(slot);
      return 0;
    }
    const size = Math.min(waiting, this.budget.readBytes, this.shares.left(slot));
    if (size === 0) return 0;
    const window = receiveWindow(this.stack, slot);
    records.unread.copy(record, 0, size, this.scratch.bytes, 0);
    const used = this.recipient.deliver(slot, this.scratch, 0, size);
    this.shares.take(slot, size);
    if (connections.state(slot) === TCP.closed || records.of(slot) !== record) return 0;
    records.unread.drop(record, used);
    if (window < SMALL_WINDOW && receiveWindow(this.stack, slot) >= SMALL_WINDOW) this.stack.oweAck(slot);
    if (used < size) return 0;
    if (records.unread.length[record] === 0 && connections.has(slot, FIN_UNTOLD)) this.ended(slot);
    else releaseIfIdle(this.stack, slot);
    return used;
  }
}
