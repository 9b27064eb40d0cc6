// An HTTP/1.1 server, which answers every request with the same response, echoes the body, delays the response (long
// poll), or keeps it open and sends an event at each interval (server-sent events).
//
// Responses are constants, which take no memory while a client does not read. An echo consists of the body as it
// arrived, including the framing of its chunks. The requests of a load test are often the same, so a head is compared
// with the last one before it is parsed.
import { CODES } from "../codes.js";
import { grown } from "../columns.js";
import type { Connections } from "../contract.js";
import type { ServerMode } from "../modes.js";
import type { HttpSpec } from "../spec/spec.js";
import { BODY } from "./fields.js";
import { isTokenByte, makeHead, parseRequest, type RequestHead } from "./request.js";
import { AND_CLOSE, HEAD_ALONE, makeResponses, PLACE } from "./responses.js";
import { HttpSide, OVER, STATE } from "./side.js";

/** A request has arrived. */
const READY = 1;
/** The connection is closed after the response. */
const LAST = 2;
/** The request is HEAD, so the response has no body. */
const OF_HEAD = 4;
/** The client uses HTTP/1.0. */
const OLD = 8;
/** The connection is an event stream. */
const STREAMING = 16;
/** The response is being delayed. */
const HELD = 32;
/** The request is for another path. */
const NOT_FOUND = 64;

/** Number of heartbeats for which a delayed response waits. */
const BEATS = 8;
/** Size of the echo buffer, which holds the bytes of one read and the heads for several requests. */
const ECHO_BYTES = 128 * 1024;

export interface HttpServerOptions {
  readonly spec: HttpSpec;
  readonly mode: ServerMode;
  /** Default body, used if the spec has none. */
  readonly greeting: string | Uint8Array;
  /** Whether to close each connection after its first response. */
  readonly closes: boolean;
  readonly slots?: number;
}

export class HttpServer extends HttpSide {
  readonly slotBytes = 16;
  readonly constants: readonly Uint8Array[];
  readonly heartbeatMs: number;
  private readonly spec: HttpSpec;
  private readonly isEcho: boolean;
  private readonly closes: boolean;
  /** Number of bytes of the current body that have arrived. */
  private sizes: Uint32Array<ArrayBuffer>;
  /** Heartbeats since the response was first delayed. */
  private beats: Uint8Array<ArrayBuffer>;
  /** Last request head: its bytes, the parsed request, and the head of its echo. */
  private lastHead = Buffer.alloc(0);
  private last: RequestHead | undefined;
  private echoHead: Uint8Array = this.lastHead;
  /** Bytes to send once everything read has been processed. */
  private readonly echo: Buffer;
  private echoEnd = 0;

  constructor(connections: Connections, { spec, mode, greeting, closes, slots = 1024 }: HttpServerOptions) {
    super(connections, slots);
    this.spec = spec;
    this.isEcho = mode === "echo";
    this.closes = closes;
    this.heartbeatMs = spec.eventIntervalMs || spec.delayMs / BEATS;
    this.sizes = new Uint32Array(slots);
    this.beats = new Uint8Array(slots);
    this.constants = makeResponses(spec, mode === "hello" ? greeting : "");
    this.echo = Buffer.alloc(this.isEcho ? ECHO_BYTES : 0);
  }

  override received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    super.received(slot, bytes, start, end);
    this.flush(slot);
  }

  override beat(slot: number): void {
    const flags = this.flags[slot]!;
    if (flags & STREAMING) {
      this.connections.sendConstant(slot, flags & OLD ? PLACE.bareEvent : PLACE.event);
      this.connections.beaten(slot);
    } else if (flags & HELD) {
      this.beats[slot]! += 1;
      // The first heartbeat may follow immediately after the request.
      if (this.beats[slot]! > BEATS) this.respond(slot);
    }
  }

  override closing(slot: number): void {
    const flags = this.flags[slot]!;
    if (flags & HELD) this.respond(slot);
    else if ((flags & (STREAMING | OLD)) === STREAMING) this.connections.sendConstant(slot, PLACE.lastChunk);
  }

  protected override grow(slot: number): void {
    super.grow(slot);
    this.sizes = grown(this.sizes, slot);
    this.beats = grown(this.beats, slot);
  }

  protected override isOver(slot: number): boolean {
    return (this.flags[slot]! & (OVER | STREAMING)) !== 0;
  }

  protected override readHead(slot: number, bytes: Uint8Array, start: number, end: number): number {
    // A client that already sends its next request is not waiting for the delayed response.
    if (this.flags[slot]! & HELD) this.respond(slot);
    if (this.isOver(slot)) return end;
    if (this.leftovers.lengthOf(slot) > 0) return super.readHead(slot, bytes, start, end);
    const { lastHead } = this;
    const { length } = lastHead;
    if (length > 0 && end - start >= length && lastHead.compare(bytes, start, start + length) === 0) {
      this.begin(slot, this.last!);
      return start + length;
    }
    let at = start;
    // Empty lines before a request are ignored (RFC 9112, 2.2).
    while (at < end && (bytes[at] === 13 || bytes[at] === 10)) at++;
    if (at === end) return end;
    if (isTokenByte(bytes[at]!)) return super.readHead(slot, bytes, at, end);
    this.refuse(slot, 400);
    return end;
  }

  protected head(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const head = Buffer.from(bytes.subarray(start, end));
    const request = parseRequest(head.toString("latin1"), this.spec.maxBodyBytes);
    if (request.refusal > 0) {
      this.refuse(slot, request.refusal);
      return;
    }
    this.lastHead = head;
    this.last = request;
    if (this.isEcho) this.echoHead = this.makeEchoHead(request);
    this.begin(slot, request);
  }

  protected headTooLong(slot: number): void {
    this.refuse(slot, 431);
  }

  protected badBody(slot: number): void {
    this.refuse(slot, 400);
  }

  protected body(slot: number, bytes: Uint8Array, start: number, end: number, isContent: boolean): void {
    if (isContent) {
      this.sizes[slot]! += end - start;
      if (this.sizes[slot]! > this.spec.maxBodyBytes) {
        this.refuse(slot, 413);
        return;
      }
    }
    if (this.isEchoing(slot)) this.append(slot, bytes, start, end);
  }

  protected ended(slot: number): void {
    const flags = this.flags[slot]! | READY;
    if ((this.flags[slot]! & READY) === 0) this.connections.ready(slot);
    this.flags[slot] = flags;
    if (this.isEchoing(slot)) this.finish(slot, this.spec.status);
    else if (this.spec.eventIntervalMs > 0 && (flags & NOT_FOUND) === 0) this.stream(slot);
    else if (this.spec.delayMs > 0 && (flags & NOT_FOUND) === 0) {
      this.flags[slot] = flags | HELD;
      this.beats[slot] = 0;
    } else this.respond(slot);
  }

  private begin(slot: number, request: RequestHead): void {
    const { path } = this.spec;
    const flags =
      (this.flags[slot]! & READY) |
      (request.closes || this.closes ? LAST : 0) |
      (request.isOfHead ? OF_HEAD : 0) |
      (request.isOld ? OLD : 0) |
      (path !== undefined && request.target !== path ? NOT_FOUND : 0);
    this.flags[slot] = flags;
    this.sizes[slot] = 0;
    if (request.expectsContinue) this.send(slot, PLACE.continue);
    if (this.isEchoing(slot)) this.append(slot, this.echoHead, 0, this.echoHead.length);
    this.follow(slot, request.body, request.length);
  }

  private isEchoing(slot: number): boolean {
    return this.isEcho && (this.flags[slot]! & NOT_FOUND) === 0;
  }

  private makeEchoHead({ body, length, closes }: RequestHead): Uint8Array {
    const framing = body === BODY.chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`;
    const option = `Connection: ${closes || this.closes ? "close" : "keep-alive"}`;
    const { status, headers } = this.spec;
    return Buffer.from(makeHead(status, headers, "Content-Type: application/octet-stream", framing, option));
  }

  private respond(slot: number): void {
    const flags = this.flags[slot]!;
    this.flags[slot] = flags & ~HELD;
    const first = flags & NOT_FOUND ? PLACE.notFound : PLACE.response;
    this.send(slot, first + (flags & OF_HEAD ? HEAD_ALONE : 0) + (flags & LAST ? AND_CLOSE : 0));
    this.finish(slot, flags & NOT_FOUND ? 404 : this.spec.status);
  }

  private stream(slot: number): void {
    const flags = this.flags[slot]!;
    const first = flags & OLD ? PLACE.bareStream : PLACE.stream;
    if (flags & OF_HEAD) {
      this.send(slot, first + HEAD_ALONE);
      if (flags & OLD) this.flags[slot]! |= LAST;
      this.finish(slot, 200);
      return;
    }
    this.send(slot, first);
    this.flags[slot]! |= STREAMING;
    this.connections.responded(slot, 200, 0);
  }

  /** Counts a response, and closes the connection if it was the last one. */
  private finish(slot: number, status: number): void {
    this.connections.responded(slot, status, 0);
    if ((this.flags[slot]! & LAST) === 0) return;
    this.flush(slot);
    this.flags[slot]! |= OVER;
    this.connections.close(slot);
  }

  /** Refuses a request, and closes the connection. */
  private refuse(slot: number, status: number): void {
    // If the body is being echoed, the response has already begun.
    const hasBegun = this.states[slot] !== STATE.head && this.isEchoing(slot);
    this.flush(slot);
    if (!hasBegun) {
      const response = Buffer.from(makeHead(status, this.spec.headers, "Connection: close", "Content-Length: 0"));
      this.connections.send(slot, response, 0, response.length);
      this.connections.responded(slot, status, 0);
    }
    this.flags[slot]! |= OVER;
    this.connections.refused(slot, CODES.http + status);
  }

  /** Sends a constant after any echoed bytes that precede it. */
  private send(slot: number, place: number): void {
    const constant = this.constants[place]!;
    if (this.isEcho) this.append(slot, constant, 0, constant.length);
    else this.connections.sendConstant(slot, place);
  }

  private append(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.echoEnd + end - start > ECHO_BYTES) this.flush(slot);
    if (end - start > ECHO_BYTES) {
      this.connections.send(slot, bytes, start, end);
      return;
    }
    this.echo.set(bytes.subarray(start, end), this.echoEnd);
    this.echoEnd += end - start;
  }

  private flush(slot: number): void {
    if (this.echoEnd === 0) return;
    const end = this.echoEnd;
    this.echoEnd = 0;
    this.connections.send(slot, this.echo, 0, end);
  }
}
