// Sends a client's bytes, both due messages and what the protocol sends on its own, and counts what the connections
// accept.
import { Outgoing } from "../../engine/sending/outgoing.js";
import { type Sender, Unsent } from "../../engine/sending/unsent.js";
import type { WorkerMemory } from "../../engine/worker-memory.js";
import { FIRST_CODE } from "../../protocols/codes.js";
import type { ClientProtocol } from "../../protocols/contract.js";
import { STEP } from "../../util/steps.js";
import { NONE, type Rounds } from "../messages/rounds.js";
import type { MessageCarrier } from "../messages/sender.js";
import { COUNTER } from "../metrics.js";
import { type ConnectPlan, SHARED } from "../worker-plan.js";
import type { ConnectionOwner } from "./connection-owner.js";
import type { Reopenings } from "./reopenings.js";

export class Sending implements MessageCarrier {
  readonly alternates: boolean;
  readonly gathers: boolean;
  begunBytes = 0;
  private readonly protocol: ClientProtocol;
  private readonly memory: WorkerMemory;
  private readonly counters: Float64Array;
  private readonly outgoing: Outgoing;
  /** Rounds of the messages; undefined for a run without messages. */
  private readonly rounds: Rounds | undefined;
  private readonly owner: ConnectionOwner;
  private readonly reopenings: Reopenings | undefined;
  /** Whether messages follow each other's answers rather than a schedule. */
  private readonly isClosedLoop: boolean;
  /** Bytes sent by the protocol during the current call of due() or resume(), or a negative errno. */
  private sentBytes = 0;

  constructor(
    sender: Sender,
    plan: ConnectPlan,
    memory: WorkerMemory,
    protocol: ClientProtocol,
    rounds: Rounds | undefined,
    owner: ConnectionOwner,
  ) {
    this.protocol = protocol;
    this.memory = memory;
    this.counters = memory.counters;
    const unsent = new Unsent(new Int32Array(plan.shared), SHARED.unsentBlocks);
    this.outgoing = new Outgoing(sender, protocol.constants, unsent);
    this.rounds = rounds;
    this.owner = owner;
    this.reopenings = owner.reopenings;
    this.isClosedLoop = plan.message !== undefined && plan.message.intervalMs === undefined;
    this.alternates = this.isClosedLoop || protocol.isBusy !== undefined;
    this.gathers = protocol.gathers === true;
  }

  due(slot: number, most: number): number {
    const { protocol, outgoing } = this;
    const rounds = this.rounds!;
    this.sentBytes = 0;
    if (most > 1 && outgoing.hasRoom) outgoing.gather();
    let begun = 0;
    do {
      protocol.due(slot);
      if (rounds.next[slot] === NONE) break;
      rounds.begin(slot);
      begun++;
      this.begunBytes = outgoing.gatheredBytes;
    } while (begun < most && outgoing.canGather(this.begunBytes / begun));
    // The protocol may have ended the connection, and nothing may be sent over a free slot.
    if (rounds.next[slot] === NONE) outgoing.dropGathered();
    else this.sendGathered(slot);
    return this.sentBytes;
  }

  repeat(slot: number): void {
    this.counters[COUNTER.repeatedRequests]! += 1;
    this.protocol.due(slot);
  }

  resume(slot: number): number {
    this.sentBytes = 0;
    this.count(this.outgoing.resume(slot));
    return Math.max(0, this.sentBytes);
  }

  isBusy(slot: number): boolean {
    if (!this.alternates) return false;
    const { reopenings } = this;
    if (reopenings?.isClosed(slot)) {
      reopenings.want(slot);
      return true;
    }
    if (this.isClosedLoop && this.rounds!.unanswered(slot) > 0) return true;
    return this.protocol.isBusy?.(slot) === true;
  }

  isBlocked(slot: number): boolean {
    return this.outgoing.isSending(slot);
  }

  /** Sends the protocol's constant at index `place`. */
  sendConstant(slot: number, place: number): void {
    this.count(this.outgoing.sendConstant(slot, place));
  }

  /**
   * Sends bytes `start` to `end` of `bytes`.
   * @returns number of bytes sent, or a negative errno or code; see Outgoing.send()
   */
  send(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const sent = this.outgoing.sendCopy(slot, bytes, start, end);
    this.count(sent);
    return sent;
  }

  /** Discards the unsent bytes of `slot`, whose connection has ended. */
  drop(slot: number): void {
    this.outgoing.drop(slot);
  }

  /** Sends what was gathered for `slot`, and ends the connection if part of it had to be discarded. */
  private sendGathered(slot: number): void {
    const sent = this.outgoing.sendGathered(slot);
    this.count(sent);
    if (sent <= -FIRST_CODE) this.owner.refused(slot, -sent);
  }

  /**
   * @param sent bytes sent, or a negative errno; the end of the connection is reported and counted by a separate event
   */
  private count(sent: number): void {
    if (sent < 0) {
      this.memory.countFailure(STEP.send, -sent);
      this.sentBytes = sent;
      return;
    }
    this.sentBytes += sent;
    this.counters[COUNTER.sentBytes]! += sent;
  }
}
