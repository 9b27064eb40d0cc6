// Handles the messages that an MQTT client receives from its broker: reads their stamps, finds those that answer the
// client's own messages, and counts those that were lost or came twice.
import type { ClientConnections } from "../contract.js";
import type { Published } from "./published.js";
import { REPEATED, Sequences } from "./sequences.js";
import { readStamp, type Stamp } from "./stamp.js";

export interface ArrivalsOptions {
  /** See Stamp. */
  readonly publisher: number;
  /** Whether the delivery of a connection's own messages answers them. */
  readonly areAnswers: boolean;
  /**
   * Whether each publisher's messages arrive in full. With a shared subscription, the broker spreads them over several
   * subscribers, so a gap is no loss.
   */
  readonly areComplete: boolean;
}

export class Arrivals {
  /** Due time of the message whose arrival began last, as in ClientConnections.dueUs(); NaN if unknown. */
  dueUs = Number.NaN;
  private readonly client: ClientConnections;
  private readonly options: ArrivalsOptions;
  private readonly found: Stamp = { publisher: 0, number: 0, sequence: 0, dueUs: 0 };
  private readonly heard = new Sequences();

  constructor(client: ClientConnections, options: ArrivalsOptions) {
    this.client = client;
    this.options = options;
  }

  /** Expects all messages of connection `number` at this same connection, from the first one on. */
  expectOwn(number: number): void {
    this.heard.note(number, this.options.publisher, number, 0);
  }

  /** Returns the number of messages that open connections of this run have published, but that have not arrived. */
  missing(published: Published): number {
    if (!this.options.areComplete) return 0;
    return this.heard.missing(published.publisher, (number) => published.endOf(number));
  }

  /**
   * Called when a message begins to arrive. Bytes `start` to `end` are the first of its payload, including any stamp.
   *
   * @param number number of the connection
   * @param latest sequence number of the connection's last message
   * @returns whether the message answers the oldest outstanding message of the connection
   */
  begin(
    slot: number,
    number: number,
    latest: number,
    isRetained: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const { found, client, options } = this;
    this.dueUs = Number.NaN;
    // A retained message may be old, so its age says nothing about the latency.
    if (isRetained || !readStamp(found, bytes, start, end)) return false;
    this.dueUs = found.dueUs;
    const isOwn = found.publisher === options.publisher && found.number === number;
    if (isOwn && options.areAnswers) return this.deliver(slot, found.sequence, latest);
    const lost = this.heard.note(number, found.publisher, found.number, found.sequence);
    if (lost === REPEATED) client.repeated();
    else if (lost > 0 && options.areComplete) client.undelivered(lost);
    return false;
  }

  /**
   * Handles the delivery of the connection's own message `sequence`.
   * @returns whether the delivery answers the oldest outstanding message
   */
  private deliver(slot: number, sequence: number, latest: number): boolean {
    const { client } = this;
    const unanswered = client.unanswered(slot);
    const oldest = latest - unanswered + 1;
    const newest = latest - (unanswered > 0 && client.isSending(slot) ? 1 : 0);
    // A message that has not been sent completely cannot have been delivered, so ignore the stamp.
    if (sequence > newest) return false;
    if (sequence < oldest) {
      client.repeated();
      return false;
    }
    if (sequence > oldest) {
      client.missed(slot, sequence - oldest);
      client.undelivered(sequence - oldest);
    }
    return true;
  }
}
