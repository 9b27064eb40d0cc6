// An MQTT server that acts as a sink: it accepts clients, acknowledges their subscriptions and messages, and answers
// pings. The server keeps no sessions and forwards no messages.
import { CODES, FAULT } from "../codes.js";
import { grown } from "../columns.js";
import type { Connections } from "../contract.js";
import type { MqttSpec } from "../spec/spec.js";
import { type ConnectRequest, connack, connackWithId, readConnect } from "./connect-packet.js";
import { CONNECTED, VERSION_5 } from "./flags.js";
import {
  dataEnd,
  firstByte,
  isText,
  PACKET,
  propertiesEnd,
  sizeOfLength,
  uint16At,
  VERSION,
  writeLength,
  writeUint16,
} from "./packet.js";
import { FIRST_FAILURE, REASON } from "./reasons.js";
import { MqttSide } from "./side.js";

/** Interval between checks for silent connections. A silent connection may be detected late by this much. */
const LOOK_MS = 2000;
/** Maximum silence of a client, as a multiple of its keep-alive (MQTT 5, 3.1.2.10). */
const PATIENCE = 1.5;
const PINGRESP = Uint8Array.of(firstByte(PACKET.pingresp), 0);
const TOO_SILENT = Uint8Array.of(firstByte(PACKET.disconnect), 1, REASON.keepAliveTimeout);
/** Packet types that a client may send once it is connected. */
const EXPECTED =
  (1 << PACKET.publish) |
  (1 << PACKET.puback) |
  (1 << PACKET.pubrec) |
  (1 << PACKET.pubrel) |
  (1 << PACKET.pubcomp) |
  (1 << PACKET.subscribe) |
  (1 << PACKET.unsubscribe) |
  (1 << PACKET.pingreq) |
  (1 << PACKET.disconnect);

export class MqttServer extends MqttSide {
  readonly slotBytes = 13;
  readonly constants: readonly Uint8Array[] = [];
  readonly heartbeatMs = LOOK_MS;
  /** Number of checks for which a connection may be silent; 0 for no limit. */
  private patience: Uint16Array<ArrayBuffer>;
  /** Number of checks since the last byte arrived. */
  private silence: Uint16Array<ArrayBuffer>;
  private readonly request: ConnectRequest = { version: 0, isCleanStart: true, keepAliveSec: 0, hasClientId: false };
  /** Reason code with which all clients are refused; 0 to accept them. */
  private readonly refusal: number;

  constructor(connections: Connections, { refusal }: Pick<MqttSpec, "refusal">, slots = 1024) {
    super(connections, slots, 0);
    this.refusal = refusal;
    this.patience = new Uint16Array(slots);
    this.silence = new Uint16Array(slots);
  }

  override opened(slot: number): void {
    super.opened(slot);
    this.patience[slot] = 0;
    this.silence[slot] = 0;
  }

  override received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    this.silence[slot] = 0;
    super.received(slot, bytes, start, end);
  }

  beat(slot: number): void {
    const patience = this.patience[slot]!;
    if (patience === 0) return;
    this.silence[slot]! += 1;
    if (this.silence[slot]! <= patience) return;
    if (this.isVersion5(slot)) this.answer(slot, TOO_SILENT);
    this.refuse(slot, CODES.mqttDisconnect + REASON.keepAliveTimeout);
  }

  closing(slot: number): void {
    // Send no DISCONNECT: 3.1.1 does not allow a server to send one, and in MQTT 5 it is optional.
    this.flush(slot);
  }

  protected override grow(slot: number): void {
    super.grow(slot);
    this.patience = grown(this.patience, slot);
    this.silence = grown(this.silence, slot);
  }

  protected isExpected(type: number, flags: number): boolean {
    return flags & CONNECTED ? ((EXPECTED >> type) & 1) !== 0 : type === PACKET.connect;
  }

  protected publish(_slot: number, _isRetained: boolean, _bytes: Uint8Array, _start: number, _end: number): void {}
  protected payload(_slot: number, _bytes: Uint8Array, _start: number, _end: number): void {}
  protected published(_slot: number): void {}

  protected packet(slot: number, type: number, bytes: Uint8Array, start: number, end: number): boolean {
    switch (type) {
      case PACKET.connect:
        return this.connect(slot, bytes, start, end);
      case PACKET.subscribe:
      case PACKET.unsubscribe:
        return this.subscribe(slot, type, bytes, start, end);
      case PACKET.pingreq:
        if (end > start) return false;
        this.answer(slot, PINGRESP);
        this.connections.ponged(slot);
        return true;
      case PACKET.disconnect:
        this.disconnect(slot, bytes, start, end);
        return true;
      case PACKET.pubrel:
        if (end - start < 2) return false;
        this.acknowledge(slot, PACKET.pubcomp, uint16At(bytes, start));
        return true;
      default:
        // Ignore acknowledgements: this server publishes nothing.
        return end - start >= 2;
    }
  }

  private connect(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { request, refusal } = this;
    if (!readConnect(request, bytes, start, end)) return false;
    const { version, hasClientId } = request;
    const isVersion5 = version === VERSION["5"];
    let reason = refusal;
    if (!isVersion5 && version !== VERSION["3.1.1"]) reason = REASON.unsupportedVersion;
    // Without a client ID, there can be no session to resume (MQTT 3.1.1, 3.1.3.1).
    else if (!isVersion5 && !hasClientId && !request.isCleanStart) reason = REASON.invalidClientId;
    if (reason >= FIRST_FAILURE) {
      this.answer(slot, connack(version, reason));
      this.refuse(slot, CODES.mqttConnack + reason);
      return true;
    }
    this.flags[slot]! |= CONNECTED | (isVersion5 ? VERSION_5 : 0);
    const { keepAliveSec } = request;
    this.patience[slot] = Math.ceil((PATIENCE * keepAliveSec * 1000) / LOOK_MS);
    this.answer(slot, isVersion5 && !hasClientId ? connackWithId() : connack(version, 0));
    this.connections.ready(slot);
    return true;
  }

  /**
   * Answers SUBSCRIBE or UNSUBSCRIBE, accepting all filters.
   * @returns whether the packet is valid
   */
  private subscribe(slot: number, type: number, bytes: Uint8Array, start: number, end: number): boolean {
    const isVersion5 = this.isVersion5(slot);
    const grants = type === PACKET.subscribe;
    if (end - start < 2 || uint16At(bytes, start) === 0) return false;
    const first = isVersion5 ? propertiesEnd(bytes, start + 2, end) : start + 2;
    if (first < 0) return false;
    let count = 0;
    for (let at = first; at < end; count++) {
      at = filterEnd(bytes, at, end, grants, isVersion5);
      if (at < 0) return false;
    }
    if (count === 0) return false;
    // In 3.1.1, UNSUBACK has no codes.
    const codes = grants || isVersion5 ? count : 0;
    const length = 2 + (isVersion5 ? 1 : 0) + codes;
    let to = this.room(slot, 1 + sizeOfLength(length) + length);
    const { answers } = this;
    answers[to] = firstByte(grants ? PACKET.suback : PACKET.unsuback);
    to = writeLength(answers, to + 1, length);
    to = writeUint16(answers, to, uint16At(bytes, start));
    if (isVersion5) answers[to++] = 0;
    for (let at = first; at < end && codes > 0; ) {
      at = filterEnd(bytes, at, end, grants, isVersion5);
      answers[to++] = grants ? bytes[at - 1]! & 3 : 0;
    }
    return true;
  }

  private disconnect(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const reason = end > start ? bytes[start]! : 0;
    if (reason >= FIRST_FAILURE) this.refuse(slot, CODES.mqttDisconnect + reason);
    else if (end > start && !this.isVersion5(slot)) this.fail(slot, FAULT.BAD_PACKET);
    else this.end(slot);
  }
}

/** Returns the end of a topic filter, including its options if `hasOptions`; -1 if it is invalid. */
function filterEnd(bytes: Uint8Array, at: number, end: number, hasOptions: boolean, isVersion5: boolean): number {
  const next = dataEnd(bytes, at, end);
  if (next <= at + 2 || !isText(bytes, at + 2, next)) return -1;
  if (!hasOptions) return next;
  if (next >= end) return -1;
  const options = bytes[next]!;
  const isSound = isVersion5 ? (options & 0xc0) === 0 && (options & 0x30) !== 0x30 : (options & 0xfc) === 0;
  return isSound && (options & 3) !== 3 ? next + 1 : -1;
}
