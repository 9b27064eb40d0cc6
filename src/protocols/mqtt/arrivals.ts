// Handles the messages that an MQTT client receives from its broker: reads their stamps, finds those that answer the
// client's own messages, and counts those that were lost or came twice.
import type { ClientConnections } from "../contract.js";
import { REPEATED, Sequences } from "./sequences.js";
import { readStamp, type Stamp } from "./stamp.js";

export class Arrivals {
  /** Due time of the message whose arrival began last, as in ClientConnections.dueUs(); NaN if unknown. */
  dueUs = Number.NaN;
  private readonly client: ClientConnections;
  /** See Stamp. */
  private readonly publisher: number;
  /** Whether the delivery of a connection's own messages answers them. */
  private readonly areAnswers: boolean;
  private readonly found: Stamp = { publisher: 0, number: 0, sequence: 0, dueUs: 0 };
  private readonly heard = new Sequences();

  constructor(client: ClientConnections, publisher: number, areAnswers: boolean) {
    this.client = client;
    this.publisher = publisher;
    this.areAnswers = areAnswers;
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
    const { found, client } = this;
    this.dueUs = Number.NaN;
    // A retained message may be old, so its age says nothing about the latency.
    if (isRetained || !readStamp(found, bytes, start, end)) return false;
    this.dueUs = found.dueUs;
    const isOwn = found.publisher === this.publisher && found.number === number;
    if (isOwn && this.areAnswers) return this.deliver(slot, found.sequence, latest);
    const lost = this.heard.note(number, found.publisher, found.number, found.sequence);
    if (lost === REPEATED) client.repeated();
    else if (lost > 0) client.undelivered(lost);
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
