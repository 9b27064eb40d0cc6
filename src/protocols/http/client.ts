// An HTTP/1.1 client, which sends a request as soon as a connection is open; the response makes the connection ready.
// After that it sends one request for each message that is due, without pipelining. If there are messages, the first
// request counts as a message, too.
//
// Most responses of a server have the same head, so a head is compared with the last one before it is parsed.
import { CODES, FAULT } from "../codes.js";
import { grown } from "../columns.js";
import { AS_ASKED, type ClientConnections, type ClientProtocol, REPLACEABLE } from "../contract.js";
import type { HttpSpec } from "../spec/spec.js";
import { makeRequest, parseResponse, type ResponseHead } from "./response.js";
import { HttpSide, OVER, STATE } from "./side.js";

const REQUEST = 0;
/** The head of the first response has arrived. */
const READY = 1;
/** A response is outstanding, or incomplete. */
const AWAITED = 2;
/** The outstanding response answers a message. */
const DUE = 4;
/** The server closes the connection after the response. */
const LAST = 8;
/** Number of heartbeats for which a response may stall. */
const BEATS = 4;
const BEGINNING = Buffer.from("HTTP/1.");
/** First byte of a TLS record: an alert, or a handshake message. */
const [ALERT, HANDSHAKE] = [21, 22];

const IDEMPOTENT = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];

/** How the connections are used. */
export interface HttpUse {
  /** Whether messages are due. */
  readonly hasMessages: boolean;
  /**
   * Whether the host replaces connections that the server closes. Every error response, even the first, then counts as
   * an answer.
   */
  readonly reopens: boolean;
}

const HELD: HttpUse = { hasMessages: false, reopens: false };

export class HttpClient extends HttpSide implements ClientProtocol {
  readonly slotBytes = 12;
  readonly constants: readonly Uint8Array[];
  readonly heartbeatMs: number;
  readonly isAnswered = true;
  private readonly client: ClientConnections;
  private readonly spec: HttpSpec;
  private readonly isOfHead: boolean;
  private readonly isRepeatable: boolean;
  readonly beginsWithMessage: boolean;
  private readonly reopens: boolean;
  /** Heartbeats since the request, or since the last bytes of the response. */
  private waits: Uint8Array<ArrayBuffer>;
  /** The last response head, raw and parsed. */
  private lastHead = Buffer.alloc(0);
  private last: ResponseHead | undefined;

  /** @param slots minimum number of slots that will be used */
  constructor(connections: ClientConnections, spec: HttpSpec, slots: number, use = HELD) {
    super(connections, slots);
    this.client = connections;
    this.spec = spec;
    this.beginsWithMessage = use.hasMessages;
    this.reopens = use.reopens;
    this.isOfHead = spec.method === "HEAD";
    this.isRepeatable = isRepeatable(spec);
    this.heartbeatMs = spec.responseTimeoutMs / BEATS;
    this.waits = new Uint8Array(slots);
    this.constants = [makeRequest(spec)];
  }

  override opened(slot: number): void {
    super.opened(slot);
    this.waits[slot] = 0;
    if (this.beginsWithMessage) return;
    this.flags[slot] = AWAITED;
    this.connections.sendConstant(slot, REQUEST);
  }

  due(slot: number): void {
    this.flags[slot]! |= AWAITED | DUE;
    this.waits[slot] = 0;
    this.connections.sendConstant(slot, REQUEST);
  }

  isBusy(slot: number): boolean {
    return (this.flags[slot]! & (AWAITED | LAST)) !== 0;
  }

  override received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    this.waits[slot] = 0;
    super.received(slot, bytes, start, end);
  }

  override beat(slot: number): void {
    if ((this.flags[slot]! & AWAITED) === 0) return;
    this.waits[slot]! += 1;
    // The first heartbeat may follow immediately after the request.
    if (this.waits[slot]! > BEATS) this.refuse(slot, FAULT.NO_RESPONSE);
  }

  peerClosed(slot: number, isUnannounced = false): number {
    if (this.states[slot] === STATE.untilClose) {
      if (isUnannounced) return this.isReplaceable(slot) ? REPLACEABLE.cutShort : FAULT.CUT_SHORT;
      if (this.flags[slot]! & DUE) this.client.answered(slot, 1);
      if (this.spec.closesAnswered) return AS_ASKED;
      return this.reopens ? REPLACEABLE.announced : FAULT.CONNECTION_CLOSE;
    }
    if (!this.hasBegun(slot)) return this.peerReset(slot);
    return this.isReplaceable(slot) ? REPLACEABLE.cutShort : FAULT.CUT_SHORT;
  }

  /** A request that crosses the server's FIN on an idle connection is answered by a reset. */
  peerReset(slot: number): number {
    const flags = this.flags[slot]!;
    if (!this.isReplaceable(slot)) return 0;
    if (this.hasBegun(slot)) return REPLACEABLE.cutShort;
    if ((flags & AWAITED) === 0) return flags & LAST ? REPLACEABLE.announced : REPLACEABLE.idle;
    // An incomplete request cannot have been processed.
    return this.isRepeatable || this.client.isSending(slot) ? REPLACEABLE.idle : REPLACEABLE.unrepeated;
  }

  private isReplaceable(slot: number): boolean {
    return this.reopens && (this.flags[slot]! & READY) !== 0;
  }

  protected override grow(slot: number): void {
    super.grow(slot);
    this.waits = grown(this.waits, slot);
  }

  protected override readHead(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const { lastHead } = this;
    const kept = this.leftovers.lengthOf(slot);
    const { length } = lastHead;
    if (kept === 0 && length > 0 && end - start >= length && lastHead.compare(bytes, start, start + length) === 0) {
      this.respond(slot, this.last!);
      return start + length;
    }
    const fault = findFault(bytes, start, Math.min(end, start + BEGINNING.length - kept), kept);
    if (fault === undefined) return super.readHead(slot, bytes, start, end);
    this.refuse(slot, fault);
    return end;
  }

  protected head(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const head = Buffer.from(bytes.subarray(start, end));
    const parsed = parseResponse(head.toString("latin1"), this.isOfHead);
    if (typeof parsed === "number") {
      this.refuse(slot, parsed);
      return;
    }
    this.lastHead = head;
    this.last = parsed;
    this.respond(slot, parsed);
  }

  protected headTooLong(slot: number): void {
    this.refuse(slot, FAULT.HEAD_TOO_LONG);
  }

  protected badBody(slot: number): void {
    this.refuse(slot, FAULT.BAD_RESPONSE);
  }

  protected body(slot: number, bytes: Uint8Array, start: number, end: number, isContent: boolean): void {
    if (isContent) this.client.shown(slot, bytes, start, end);
  }

  protected ended(slot: number): void {
    const flags = this.flags[slot]!;
    this.flags[slot] = flags & ~(AWAITED | DUE);
    if (flags & DUE) this.client.answered(slot, 1);
    if (this.spec.closesAnswered) {
      this.flags[slot]! |= OVER;
      this.connections.close(slot);
    } else if (flags & LAST) this.endLast(slot);
  }

  /** The server is about to close the connection. */
  private endLast(slot: number): void {
    if (!this.reopens) {
      this.refuse(slot, FAULT.CONNECTION_CLOSE);
      return;
    }
    this.flags[slot]! |= OVER | LAST;
    this.client.closes(slot);
  }

  /** Handles the head of a response. */
  private respond(slot: number, head: ResponseHead): void {
    const { status } = head;
    const flags = this.flags[slot]!;
    const isFirst = (flags & READY) === 0;
    // The server gives up on the connection, as with 408 or 413, while no request is outstanding or before the request
    // has been sent completely.
    const isEarly = (flags & DUE) !== 0 && this.client.isSending(slot);
    if ((flags & AWAITED) === 0) {
      if (this.reopens && status === 408) this.endLast(slot);
      else this.refuse(slot, status < 400 ? FAULT.UNSOLICITED_RESPONSE : CODES.http + status);
      return;
    }
    if (isEarly && !isFirst && !this.reopens) {
      this.refuse(slot, CODES.http + status);
      return;
    }
    if (status < 200 && status !== 101) {
      this.connections.responded(slot, status, head.retryAfterSec);
      return;
    }
    if (this.refuses(isFirst, head)) {
      this.connections.responded(slot, status, head.retryAfterSec);
      this.refuse(slot, CODES.http + status);
      return;
    }
    if (head.closes || isEarly) this.flags[slot] = flags | LAST;
    if (isFirst) {
      this.flags[slot]! |= READY;
      this.connections.ready(slot);
    }
    this.connections.responded(slot, status, head.retryAfterSec);
    this.follow(slot, head.body, head.length);
  }

  private refuses(isFirst: boolean, { status, leadsToHttps }: ResponseHead): boolean {
    if (status === 101) return true;
    return isFirst && ((status >= 400 && !this.reopens) || (leadsToHttps && !this.spec.isSecure));
  }

  /** Whether part of a response has arrived. */
  private hasBegun(slot: number): boolean {
    return this.states[slot] !== STATE.head || this.leftovers.lengthOf(slot) > 0;
  }

  private refuse(slot: number, code: number): void {
    this.flags[slot]! |= OVER;
    this.connections.refused(slot, code);
  }
}

/**
 * Returns whether a request may be sent again without knowing whether the server has processed it.
 * @see RFC 9110, 9.2.2 (idempotent methods); draft-ietf-httpapi-idempotency-key-header
 */
function isRepeatable({ method, headers }: HttpSpec): boolean {
  return IDEMPOTENT.includes(method) || headers.some((header) => /^(x-)?idempotency-key:/i.test(header));
}

/**
 * Checks bytes `start` to `end`, which begin at index `from` of a response.
 * @returns the fault, if any
 */
function findFault(bytes: Uint8Array, start: number, end: number, from: number): number | undefined {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === BEGINNING[from + at - start]) continue;
    const isRecord = from + at - start === 0 && (byte === ALERT || byte === HANDSHAKE);
    return isRecord ? FAULT.TLS_RECORD : FAULT.NOT_HTTP;
  }
  return undefined;
}
