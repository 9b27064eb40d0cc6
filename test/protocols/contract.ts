// Contract that every protocol must fulfil, for either side. Each protocol's test runs it.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ClientConnections, ClientProtocol, Protocol } from "../../src/protocols/contract.js";
import { ProtocolHost, type Said } from "../support/protocol-host.js";

export interface ProtocolCase {
  /** @param slots minimum number of slots that will be in use */
  readonly create: (connections: ClientConnections, slots: number) => Protocol | ClientProtocol;
  /** Bytes that the other side sends in answer to one message; for a server, the bytes that a client sends. */
  readonly stream: string;
  /** Bytes that the other side sends until a connection is ready; none by default. */
  readonly handshake?: string;
  /**
   * Returns the part of a connection's record that does not depend on how its bytes were split; all of it by default.
   */
  readonly comparable?: (said: Said) => unknown;
  /**
   * Bytes that may arrive before any message, and how many of them count as unexpected. By default, `stream` and some
   * more, all of them unexpected.
   */
  readonly early?: { readonly stream: string; readonly unexpected: number };
}

const SLOT = 3;
const MANY_SLOTS = 5_000_000;

/** Returns a host and a protocol with one open connection. */
function open({ create, handshake }: ProtocolCase, slot = SLOT, slots = 1) {
  const host = new ProtocolHost();
  const protocol = create(host, slots);
  host.constants = protocol.constants;
  begin({ host, protocol }, slot, handshake);
  return { host, protocol };
}

/** Opens a new connection in `slot` and makes it ready. */
function begin(opened: { host: ProtocolHost; protocol: Protocol }, slot: number, handshake = ""): void {
  opened.host.opened(slot);
  opened.protocol.opened(slot);
  feed(opened, slot, encode(handshake), [1]);
  if (!opened.host.said[slot]!.isReady) throw new Error("it is not ready after its handshake");
}

type Opened = { host: ProtocolHost; protocol: Protocol | ClientProtocol };

/**
 * Feeds the bytes of `stream` in pieces of the given sizes, cyclically, from a larger buffer, until the protocol ends
 * the connection.
 */
function feed({ host, protocol }: Opened, slot: number, stream: Uint8Array, sizes: readonly number[]): void {
  const buffer = Buffer.alloc(stream.length + 20, "?");
  for (let at = 0, n = 0; at < stream.length && !host.hasEnded(slot); n++) {
    const size = Math.min(sizes[n % sizes.length]!, stream.length - at);
    const start = n % 7;
    buffer.set(stream.subarray(at, at + size), start);
    protocol.received(slot, buffer, start, start + size);
    buffer.fill("?");
    at += size;
  }
}

function send({ host, protocol }: Opened, slot: number, messages: number): void {
  if (!("due" in protocol)) return;
  for (let n = 0; n < messages; n++) {
    host.begin(protocol, slot);
    host.finish(slot);
  }
}

/** Returns everything known about a connection after its end. */
function outcome({ host, protocol }: Opened, slot: number, comparable = (said: Said): unknown => said) {
  protocol.closed(slot);
  return [comparable(host.said[slot]!), host.unexpectedBytes, host.mismatchedBytes];
}

const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ maxLength: 40 }).map(encode));
const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 });

export function describeProtocol(name: string, protocolCase: ProtocolCase): void {
  const { stream } = protocolCase;

  describe(`${name} as a protocol`, () => {
    it("behaves the same however a stream is split", () => {
      fc.assert(
        fc.property(fc.nat(5), bytes, cuts, (messages, noise, sizes) => {
          const answers = encode(stream.repeat(Math.max(0, messages - 1)));
          const all = Buffer.concat([answers, noise, encode(stream)]);
          const [whole, byByte, cut] = [[all.length + 1], [1], sizes].map((each) => {
            const opened = open(protocolCase);
            send(opened, SLOT, messages);
            feed(opened, SLOT, all, each);
            return outcome(opened, SLOT, protocolCase.comparable);
          });
          expect(byByte).toEqual(whole);
          expect(cut).toEqual(whole);
        }),
      );
    });

    it("answers no message that was not sent, and counts no byte twice, whatever arrives", () => {
      fc.assert(
        fc.property(fc.nat(3), bytes, bytes, cuts, (messages, early, wrong, sizes) => {
          const opened = open(protocolCase);
          const { host } = opened;
          feed(opened, SLOT, early, sizes);
          expect(host.said[SLOT]!.answered).toBe(0);
          send(opened, SLOT, messages);
          feed(opened, SLOT, wrong, sizes);
          expect(host.unanswered(SLOT)).toBeGreaterThanOrEqual(0);
          outcome(opened, SLOT);
          expect(host.unexpectedBytes + host.mismatchedBytes).toBeLessThanOrEqual(early.length + wrong.length);
        }),
      );
    });

    it("counts bytes that arrive before any message as unexpected, if it sends messages", () => {
      const opened = open(protocolCase);
      const { early: given } = protocolCase;
      const early = encode(given?.stream ?? `${stream}early`);
      feed(opened, SLOT, early, [4]);
      const [said, unexpected, mismatched] = outcome(opened, SLOT);
      expect(said).toMatchObject({ answered: 0 });
      const sendsMessages = "due" in opened.protocol && opened.protocol.constants.length > 0;
      expect([unexpected, mismatched]).toEqual([sendsMessages ? (given?.unexpected ?? early.length) : 0, 0]);
    });

    it("starts with clean state in a reused slot", () => {
      fc.assert(
        fc.property(fc.nat(3), bytes, fc.nat(stream.length), cuts, (messages, noise, part, sizes) => {
          const live = (opened: Opened) => {
            send(opened, SLOT, 2);
            feed(opened, SLOT, encode(stream + stream), sizes);
            return outcome(opened, SLOT);
          };
          const fresh = live(open(protocolCase));
          const opened = open(protocolCase);
          const { host } = opened;
          send(opened, SLOT, messages);
          feed(opened, SLOT, Buffer.concat([noise, encode(stream.slice(0, part))]), sizes);
          outcome(opened, SLOT);
          host.unexpectedBytes = host.mismatchedBytes = 0;
          begin(opened, SLOT, protocolCase.handshake);
          expect(live(opened)).toEqual(fresh);
        }),
      );
    });

    it("keeps connections apart, in slots of any number and order", () => {
      const opened = open(protocolCase, 70_000);
      const { host } = opened;
      for (const slot of [0, 1, 2, 65_537]) begin(opened, slot, protocolCase.handshake);
      send(opened, 2, 1);
      feed(opened, 2, encode(stream), [1]);
      const alone = open(protocolCase);
      send(alone, SLOT, 1);
      feed(alone, SLOT, encode(stream), [1]);
      expect(host.said[2]).toEqual(alone.host.said[SLOT]);
      const untouched = open(protocolCase).host.said[SLOT];
      for (const slot of [0, 1, 65_537, 70_000]) expect(host.said[slot]).toEqual(untouched);
    });

    it("allocates nothing per event", () => {
      const opened = open(protocolCase);
      opened.host.keeps = false;
      const chunk = encode(stream);
      const live = (events: number) => {
        for (let n = 0; n < events; n++) {
          send(opened, SLOT, 1);
          opened.protocol.received(SLOT, chunk, 0, chunk.length);
        }
      };
      live(20_000);
      collectGarbage();
      const before = process.memoryUsage();
      live(200_000);
      collectGarbage();
      const after = process.memoryUsage();
      expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(100_000);
      expect(after.heapUsed - before.heapUsed).toBeLessThan(1_000_000);
    });

    it("keeps five million connections in the declared number of bytes", () => {
      const host = new ProtocolHost();
      host.keeps = false;
      const protocol = protocolCase.create(host, MANY_SLOTS);
      host.constants = protocol.constants;
      const columns = columnsOf(protocol);
      for (let slot = 0; slot < MANY_SLOTS; slot++) protocol.opened(slot);
      expect(columns.reduce((sum, { BYTES_PER_ELEMENT }) => sum + BYTES_PER_ELEMENT, 0)).toBe(protocol.slotBytes);
      // Check that no array had to grow.
      expect(columnsOf(protocol).every((column, n) => column === columns[n])).toBe(true);
    });
  });
}

/** Returns the typed arrays with an entry per slot: the protocol's own, and those of its parts. */
function columnsOf(protocol: Protocol) {
  const parts = Object.values(protocol).filter((value) => typeof value === "object" && !ArrayBuffer.isView(value));
  return [protocol, ...parts]
    .flatMap((owner) => Object.values(owner))
    .filter((value): value is Uint8Array => ArrayBuffer.isView(value) && (value as Uint8Array).length >= MANY_SLOTS);
}

/** Encodes each character as one byte. */
export function encode(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "latin1"));
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
