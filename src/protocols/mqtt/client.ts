// An MQTT client, which connects, subscribes, publishes a message whenever one is due, and reports the outcome:
// acknowledged by the broker, or delivered through it to a subscriber.
import { CODES, FAULT } from "../codes.js";
import { grown } from "../columns.js";
import { type ClientConnections, type ClientProtocol, LEAST_HEARTBEAT_GAP } from "../contract.js";
import type { Expectation } from "../modes.js";
import { answerOf, receivesAll } from "../spec/mqtt.js";
import type { MqttSpec } from "../spec/spec.js";
import { Arrivals } from "./arrivals.js";
import { connectPacket } from "./connect-packet.js";
import { CONNECTED, OWN_MARK, VERSION_5 } from "./flags.js";
import { firstByte, PACKET, uint16At, VERSION } from "./packet.js";
import type { PatternPacket } from "./pattern.js";
import { areProperties, numberProperty, PROPERTY } from "./properties.js";
import { PublishPacket } from "./publish-packet.js";
import type { Published } from "./published.js";
import { FIRST_FAILURE, REASON, reasonOfReturnCode } from "./reasons.js";
import { MqttSide } from "./side.js";
import { STAMP_SIZE, type Stamp } from "./stamp.js";
import { INVALID, readSuback, subscribePacket } from "./subscribe-packet.js";

/** Indexes into `constants`. */
const [PINGREQ, DISCONNECT] = [0, 1] as const;
/** The connection is ready. */
const READY = OWN_MARK;
/** A PINGREQ has been sent but not answered. */
const PINGED = 2 * OWN_MARK;
/** The PUBLISH being received answers the oldest outstanding message. */
const ANSWERS = 4 * OWN_MARK;
/** Minimum time to wait for a PINGRESP, however short the keep-alive. */
const LEAST_WAIT_MS = 5000;
/** Packet identifiers run from 1 to this number, then start again at 1. */
const MOST_IDENTIFIERS = 65_535;
const MESSAGE_TYPES =
  (1 << PACKET.publish) |
  (1 << PACKET.puback) |
  (1 << PACKET.pubrec) |
  (1 << PACKET.pubrel) |
  (1 << PACKET.pubcomp) |
  (1 << PACKET.pingresp);

export interface MqttClientOptions {
  readonly spec: MqttSpec;
  readonly message?: { readonly bytes: Uint8Array; readonly expected: Expectation } | undefined;
  /** Minimum number of slots that will be used. */
  readonly slots: number;
  /** Returns the number of the next connection, which is unique within the run. */
  readonly nextNumber: () => number;
  /** A 32-bit number that distinguishes this worker's stamps from those of other workers. */
  readonly publisher: number;
  /** Undefined if the run's connections do not subscribe to what they publish. */
  readonly published?: Published | undefined;
}

export class MqttClient extends MqttSide implements ClientProtocol {
  readonly slotBytes = 28;
  readonly constants: readonly Uint8Array[] = [
    Uint8Array.of(firstByte(PACKET.pingreq), 0),
    Uint8Array.of(firstByte(PACKET.disconnect), 0),
  ];
  readonly heartbeatMs: number;
  readonly isAnswered: boolean;
  readonly gathers: boolean;
  private readonly client: ClientConnections;
  private readonly isVersion5Spoken: boolean;
  private readonly connectPacket: PatternPacket;
  private readonly subscribePacket: PatternPacket | undefined;
  private readonly publishPacket: PublishPacket | undefined;
  private readonly qos: number;
  private readonly expected: Expectation;
  private readonly nextNumber: () => number;
  /** Number of keep-alives without a PINGRESP after which the connection counts as lost. */
  private readonly mostMissed: number;
  /** Maximum number of unacknowledged messages per connection: the smallest Receive Maximum announced so far. */
  private window = MOST_IDENTIFIERS;
  private numbers: Uint32Array<ArrayBuffer>;
  /** Sequence number of each connection's last message. */
  private sequences: Uint32Array<ArrayBuffer>;
  /** Number of unacknowledged messages. */
  private inFlight: Uint16Array<ArrayBuffer>;
  /** Due time of the message whose payload is being received. */
  private dueUs: Float64Array<ArrayBuffer>;
  /** Number of keep-alives since the unanswered PINGREQ. */
  private missed: Uint8Array<ArrayBuffer>;
  private readonly own: Stamp;
  private readonly arrivals: Arrivals;
  private readonly publishedBy: Published | undefined;
  /** Whether a connection receives its own messages although they do not count as answers. */
  private readonly expectsOwn: boolean;

  constructor(connections: ClientConnections, options: MqttClientOptions) {
    const { spec, message, slots, nextNumber, publisher } = options;
    super(connections, slots, STAMP_SIZE);
    this.client = connections;
    this.heartbeatMs = spec.keepAliveSec * 1000;
    this.isVersion5Spoken = spec.version === VERSION["5"];
    this.connectPacket = connectPacket(spec);
    this.subscribePacket = subscribePacket(spec);
    if (spec.publish && message) this.publishPacket = new PublishPacket(spec.publish, spec.version, message.bytes);
    this.qos = spec.publish?.qos ?? 0;
    this.expected = message?.expected ?? "none";
    this.isAnswered = this.expected !== "none";
    this.gathers = !this.isAnswered && this.qos === 0;
    this.nextNumber = nextNumber;
    const areAnswers = this.expected === "delivery";
    const areComplete = receivesAll(spec);
    this.arrivals = new Arrivals(connections, { publisher, areAnswers, areComplete });
    this.publishedBy = options.published;
    this.expectsOwn = !areAnswers && answerOf(spec) === "delivery";
    this.own = { publisher, number: 0, sequence: 0, dueUs: 0 };
    this.mostMissed = Math.min(255, Math.max(1, Math.ceil(LEAST_WAIT_MS / (LEAST_HEARTBEAT_GAP * this.heartbeatMs))));
    this.numbers = new Uint32Array(slots);
    this.sequences = new Uint32Array(slots);
    this.inFlight = new Uint16Array(slots);
    this.dueUs = new Float64Array(slots);
    this.missed = new Uint8Array(slots);
  }

  override opened(slot: number): void {
    super.opened(slot);
    this.sequences[slot] = 0;
    this.inFlight[slot] = 0;
    const number = this.nextNumber();
    this.numbers[slot] = number;
    const { connectPacket } = this;
    connectPacket.write(number);
    this.connections.send(slot, connectPacket.bytes, connectPacket.start, connectPacket.end);
  }

  due(slot: number): void {
    const { own, publishPacket } = this;
    if (!publishPacket) return;
    own.number = this.numbers[slot]!;
    own.sequence = this.sequences[slot] = this.sequences[slot]! + 1;
    own.dueUs = this.client.dueUs(slot);
    if (this.qos > 0) this.inFlight[slot]! += 1;
    publishPacket.write(own, ((own.sequence - 1) % MOST_IDENTIFIERS) + 1);
    this.connections.send(slot, publishPacket.bytes, publishPacket.start, publishPacket.end);
  }

  isBusy(slot: number): boolean {
    return this.qos > 0 && this.inFlight[slot]! >= this.window;
  }

  beat(slot: number): void {
    const flags = this.flags[slot]!;
    if (flags & PINGED) {
      this.missed[slot]! += 1;
      if (this.missed[slot]! >= this.mostMissed) this.refuse(slot, FAULT.NO_PINGRESP);
      return;
    }
    this.flags[slot] = flags | PINGED;
    this.missed[slot] = 0;
    this.connections.sendConstant(slot, PINGREQ);
    this.connections.beaten(slot);
  }

  concluded(slot: number, pending: number): void {
    const last = this.sequences[slot]! - pending;
    this.publishedBy?.note(this.numbers[slot]!, Math.max(0, last));
  }

  undelivered(): number {
    return this.publishedBy ? this.arrivals.missing(this.publishedBy) : 0;
  }

  closing(slot: number): void {
    if ((this.flags[slot]! & CONNECTED) === 0 || this.hasEnded(slot)) return;
    this.connections.sendConstant(slot, DISCONNECT);
  }

  protected override grow(slot: number): void {
    super.grow(slot);
    this.numbers = grown(this.numbers, slot);
    this.sequences = grown(this.sequences, slot);
    this.inFlight = grown(this.inFlight, slot);
    this.dueUs = grown(this.dueUs, slot);
    this.missed = grown(this.missed, slot);
  }

  protected isExpected(type: number, flags: number): boolean {
    if ((flags & CONNECTED) === 0) return type === PACKET.connack;
    if ((MESSAGE_TYPES >> type) & 1) return true;
    if (type === PACKET.suback) return (flags & READY) === 0;
    // In 3.1.1, only clients send DISCONNECT.
    return type === PACKET.disconnect && this.isVersion5Spoken;
  }

  protected packet(slot: number, type: number, bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    switch (type) {
      case PACKET.connack:
        return this.connack(slot, bytes, start, end);
      case PACKET.suback:
        return this.suback(slot, bytes, start, end);
      case PACKET.pingresp:
        if (this.flags[slot]! & PINGED) this.connections.alive(slot);
        this.flags[slot]! &= ~PINGED;
        return length === 0;
      case PACKET.disconnect:
        this.refuse(slot, CODES.mqttDisconnect + (length > 0 ? bytes[start]! : 0));
        return true;
      case PACKET.pubrel:
        if (length >= 2) this.acknowledge(slot, PACKET.pubcomp, uint16At(bytes, start));
        return length >= 2;
      default:
        return length >= 2 && this.acknowledged(slot, type, uint16At(bytes, start), length > 2 ? bytes[start + 2]! : 0);
    }
  }

  protected publish(slot: number, isRetained: boolean, bytes: Uint8Array, start: number, end: number): void {
    if (end > start) this.client.shown(slot, bytes, start, end);
    const number = this.numbers[slot]!;
    const isAnswer = this.arrivals.begin(slot, number, this.sequences[slot]!, isRetained, bytes, start, end);
    this.dueUs[slot] = this.arrivals.dueUs;
    if (isAnswer) this.flags[slot]! |= ANSWERS;
  }

  protected payload(slot: number, bytes: Uint8Array, start: number, end: number): void {
    this.client.shown(slot, bytes, start, end);
  }

  protected published(slot: number): void {
    this.client.delivered(this.dueUs[slot]!);
    if ((this.flags[slot]! & ANSWERS) === 0) return;
    this.flags[slot]! &= ~ANSWERS;
    this.client.answered(slot, 1);
  }

  private connack(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < 2 || bytes[start]! > 1) return false;
    const code = bytes[start + 1]!;
    // A 3.1.1 broker answers with its own return codes, even if the client requested version 5.
    const reason = code === 0 || code >= FIRST_FAILURE ? code : reasonOfReturnCode(code);
    if (reason !== 0) {
      this.refuse(slot, CODES.mqttConnack + reason);
      return true;
    }
    const isVersion5 = this.isVersion5Spoken;
    if (isVersion5 ? !areProperties(bytes, start + 2, end) : end - start > 2) return false;
    this.flags[slot]! |= CONNECTED | (isVersion5 ? VERSION_5 : 0);
    if (isVersion5 && !this.agree(slot, bytes, start + 2, end)) return true;
    const { subscribePacket } = this;
    if (!subscribePacket) this.begin(slot);
    else {
      subscribePacket.write(this.numbers[slot]!);
      this.connections.send(slot, subscribePacket.bytes, subscribePacket.start, subscribePacket.end);
    }
    return true;
  }

  /**
   * Applies the limits in the broker's properties.
   * @returns whether the limits allow the client's messages
   */
  private agree(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    const window = numberProperty(bytes, start, end, PROPERTY.receiveMaximum);
    if (window > 0) this.window = Math.min(this.window, window);
    if (!this.publishPacket) return true;
    const maximumQos = numberProperty(bytes, start, end, PROPERTY.maximumQos);
    const maximumSize = numberProperty(bytes, start, end, PROPERTY.maximumPacketSize);
    const isTooMuch = maximumQos >= 0 && maximumQos < this.qos;
    if (isTooMuch) this.refuse(slot, CODES.mqttConnack + REASON.qosNotSupported);
    else if (maximumSize >= 0 && maximumSize < this.publishPacket.longest) {
      this.refuse(slot, CODES.mqttConnack + REASON.packetTooLarge);
    }
    return !this.hasEnded(slot);
  }

  private suback(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    const reason = readSuback(bytes, start, end, this.isVersion5Spoken);
    if (reason === INVALID) return false;
    if (reason === 0) this.begin(slot);
    else this.refuse(slot, CODES.mqttSuback + reason);
    return true;
  }

  private begin(slot: number): void {
    this.flags[slot]! |= READY;
    if (this.expectsOwn) this.arrivals.expectOwn(this.numbers[slot]!);
    this.connections.ready(slot);
  }

  /**
   * Handles an acknowledgement: PUBACK, PUBREC or PUBCOMP. The acknowledgement is attributed to the oldest
   * message, because brokers acknowledge in order.
   *
   * @returns whether the packet is allowed
   */
  private acknowledged(slot: number, type: number, identifier: number, reason: number): boolean {
    const { client, qos } = this;
    const inFlight = this.inFlight[slot]!;
    if (qos === 0 || (type === PACKET.puback) !== (qos === 1)) return false;
    // A message that has not been sent completely cannot have been acknowledged.
    if (inFlight === 0 || (inFlight === 1 && client.isSending(slot))) return true;
    if (type === PACKET.pubrec && reason < FIRST_FAILURE) {
      this.acknowledge(slot, PACKET.pubrel, identifier);
      return true;
    }
    this.inFlight[slot] = inFlight - 1;
    if (reason >= FIRST_FAILURE) client.declined(slot, CODES.mqttPuback + reason);
    if (this.expected === "acknowledgement") {
      if (reason >= FIRST_FAILURE) client.missed(slot, 1);
      else client.answered(slot, 1);
    }
    return true;
  }
}
