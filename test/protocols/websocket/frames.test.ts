// Tests WebSocket frames: the examples of RFC 6455, frames built here, and invalid frames.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CODES, codeName, FAULT } from "../../../src/protocols/codes.js";
import { checkUtf8, UTF8_ACCEPT } from "../../../src/protocols/utf8.js";
import { WebSocketClient } from "../../../src/protocols/websocket/client.js";
import { WebSocketServer } from "../../../src/protocols/websocket/server.js";
import { ProtocolHost } from "../../support/protocol-host.js";
import { agreement, closing, frame, KEY, request, SPEC } from "../../support/websocket.js";
import { encode } from "../contract.js";

const MASK = "\x37\xfa\x21\x3d";
const masked = (opcode: number, content: string, options = {}) => frame(opcode, content, { mask: MASK, ...options });

/** Upgrades a server's connection, feeds it `stream` in pieces of the given sizes, and returns its answers. */
function serve(
  stream: string,
  options: { mode?: "echo" | "discard" | "hello"; sizes?: readonly number[]; greeting?: string } = {},
) {
  const { mode = "echo", sizes = [stream.length], greeting = "" } = options;
  const host = new ProtocolHost();
  const spec = { ...SPEC, pingIntervalMs: 1000 };
  const server = new WebSocketServer(host, { spec, mode, greeting, closeAfterGreeting: false, slots: 1 });
  return { host, server, said: converse(host, server, request(), stream, sizes) };
}

function connect(stream: string, options: { message?: string; sizes?: readonly number[] } = {}) {
  const { message, sizes = [stream.length] } = options;
  const host = new ProtocolHost();
  const sent = message === undefined ? undefined : ({ bytes: encode(message), expected: "echo" } as const);
  const client = new WebSocketClient(host, { spec: SPEC, message: sent, slots: 1, key: KEY });
  return { host, client, said: converse(host, client, agreement(), stream, sizes) };
}

function converse(
  host: ProtocolHost,
  side: WebSocketServer | WebSocketClient,
  head: string,
  stream: string,
  sizes: readonly number[],
) {
  host.constants = side.constants;
  host.opened(0);
  side.opened(0);
  side.received(0, encode(head), 0, head.length);
  host.said[0]!.sent = "";
  for (let at = 0, n = 0; at < stream.length && !host.hasEnded(0); n++) {
    const bytes = encode(stream.slice(at, at + sizes[n % sizes.length]!));
    side.received(0, bytes, 0, bytes.length);
    at += bytes.length;
  }
  return host.said[0]!;
}

const frames = fc.array(
  fc.record({
    content: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
    parts: fc.nat(3),
    ping: fc.boolean(),
  }),
  { minLength: 1, maxLength: 5 },
);
const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 });

describe("a server", () => {
  it("echoes the examples of RFC 6455", () => {
    expect(serve("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").said.sent).toBe("\x81\x05Hello");
    expect(serve("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").said.sent).toBe("\x8a\x05Hello");
  });

  it.each([0, 1, 125, 126, 65_535, 65_536, 200_000])("echoes a message of %i bytes", (length) => {
    const content = "ab".repeat(length).slice(0, length);
    expect(serve(masked(2, content)).said.sent).toBe(frame(2, content));
    expect(serve(masked(2, content), { sizes: [length % 1000 || 7] }).said.sent).toBe(frame(2, content));
  });

  it("echoes messages in any fragments with pings between them, however they are split", () => {
    fc.assert(
      fc.property(frames, sizes, (messages, cuts) => {
        const write = (make: typeof masked, pong: number) =>
          messages
            .map(({ content, parts, ping }) => {
              const step = Math.ceil(content.length / (parts + 1)) || 1;
              const pieces = content.length === 0 ? [""] : content.match(new RegExp(`[^]{1,${step}}`, "g"))!;
              return pieces
                .map(
                  (piece, n) =>
                    make(n === 0 ? 2 : 0, piece, { fin: n === pieces.length - 1 }) +
                    (ping ? make(pong, piece.slice(0, 100)) : ""),
                )
                .join("");
            })
            .join("");
        const { said } = serve(write(masked, 9), { sizes: cuts });
        expect(said.sent).toBe(write(frame as typeof masked, 10));
        expect(said.refusedWith).toBeUndefined();
      }),
    );
  });

  it("greets with a message, and discards input in discard mode", () => {
    const { said } = serve(masked(1, "hello") + masked(9, "x"), { mode: "discard" });
    expect(said.sent).toBe(frame(10, "x"));
    expect(serve("", { mode: "hello", greeting: "hi" }).said.sent).toBe("");
  });

  it("pings once per interval, and gives up on a peer that does not answer", () => {
    const { host, server, said } = serve("");
    const beat = () => server.beat(0);
    beat();
    expect(said).toMatchObject({ sent: frame(9, ""), beats: 1, livesigns: 0 });
    server.received(0, encode(masked(10, "")), 0, 6);
    beat();
    expect(said).toMatchObject({ beats: 2, livesigns: 1, refusedWith: undefined });
    // The wait for a pong is at least 5 s, and the host leaves at least 750 ms between two heartbeats.
    for (let n = 0; n < 6; n++) beat();
    expect(said).toMatchObject({ beats: 2, refusedWith: undefined });
    beat();
    expect(said).toMatchObject({ beats: 2, livesigns: 1, refusedWith: FAULT.NO_PONG });
    expect(host.hasEnded(0)).toBe(true);
  });

  it("answers a Close frame with the same code, and ends", () => {
    for (const code of [1000, 1001, 3000, 4999]) {
      expect(serve(masked(8, closing(code, "bye"))).said).toMatchObject({
        sent: frame(8, closing(code)),
        isClosed: true,
      });
    }
    expect(serve(masked(8, "")).said).toMatchObject({ sent: frame(8, ""), isClosed: true });
    expect(serve(masked(8, closing(1002))).said).toMatchObject({ refusedWith: CODES.webSocket + 1002 });
  });
});

describe("text", () => {
  it("is validated as it arrives, like TextDecoder does", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const isUtf8 = (bytes: Uint8Array) => {
      try {
        decoder.decode(bytes);
        return true;
      } catch {
        return false;
      }
    };
    const pieces = fc.oneof(
      fc.string({ unit: "binary", maxLength: 4 }).map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), fc.nat(20), (parts, cut) => {
        const bytes = Buffer.concat(parts);
        const at = Math.min(cut, bytes.length);
        const state = checkUtf8(checkUtf8(UTF8_ACCEPT, bytes, 0, at), bytes, at, bytes.length);
        // The reject state is final.
        expect(state === UTF8_ACCEPT).toBe(isUtf8(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ["an invalid byte", "\xff"],
    ["a truncated character", "\xe2\x82"],
    ["a surrogate", "\xed\xa0\x80"],
  ])("that is invalid UTF-8 (%s) is answered with 1007 and not echoed", (_, content) => {
    const refusal = { sent: frame(8, closing(1007)), refusedWith: FAULT.BAD_UTF8 };
    for (const cuts of [[1000], [1]]) {
      const { said } = serve(masked(1, `${content}`), { sizes: cuts, mode: "discard" });
      expect(said).toMatchObject(refusal);
      expect(connect(frame(1, content), { sizes: cuts, message: content }).said.refusedWith).toBe(FAULT.BAD_UTF8);
    }
    expect(serve(masked(1, content)).said).toMatchObject(refusal);
  });

  it("may be split within a character, even between frames", () => {
    const stream = masked(1, "\xe2", { fin: false }) + masked(0, "\x82\xac");
    expect(serve(stream).said).toMatchObject({ refusedWith: undefined });
  });
});

describe("a client", () => {
  it("accepts its message as an answer if it is complete and unchanged", () => {
    const { host, client } = connect("", { message: "hello" });
    const receive = (text: string) => client.received(0, encode(text), 0, text.length);
    for (let n = 0; n < 3; n++) {
      host.begin(client, 0);
      host.finish(0);
    }
    receive(frame(1, "hel", { fin: false }) + frame(0, "lo"));
    expect(host.said[0]!.answered).toBe(1);
    receive(frame(1, "hallo") + frame(1, "hell") + frame(1, "hellooo"));
    expect([host.said[0]!.answered, host.mismatchedBytes]).toEqual([1, 16]);
    receive(frame(2, "hello") + frame(1, "hello") + frame(1, "hello"));
    expect([host.said[0]!.answered, host.unexpectedBytes]).toEqual([3, 5]);
    expect(host.content[0]).toBe(`hellohallohellhellooo${"hello".repeat(3)}`);
  });

  it("reports the code with which its server closes", () => {
    const { said } = connect(frame(8, closing(1013, "busy")));
    expect(codeName(said.refusedWith!)).toBe("CLOSE 1013");
    expect(said.sent.length).toBe(8);
    expect(codeName(connect(frame(8, "")).said.refusedWith!)).toBe("CLOSE 1005");
  });

  it("answers pings, each with its content", () => {
    const { said } = connect(frame(9, "abc") + frame(9, ""));
    const mask = said.sent.slice(2, 6);
    expect(said.sent).toBe(frame(10, "abc", { mask }) + frame(10, "", { mask }));
  });
});

describe("violations", () => {
  const control = "x".repeat(126);
  const bad: [string, string, string][] = [
    ["a reserved bit", `\xc1\x80${MASK}`, "\xc1\x00"],
    ["an unknown opcode", masked(3, ""), frame(3, "")],
    ["an unknown control opcode", masked(11, ""), frame(11, "")],
    ["a mask from a server, or none from a client", frame(1, "x"), masked(1, "x")],
    ["a ping in fragments", masked(9, "", { fin: false }), frame(9, "", { fin: false })],
    ["a ping that is too long", masked(9, control), frame(9, control)],
    ["a continuation without a message", masked(0, "x"), frame(0, "x")],
    [
      "a message inside another",
      masked(1, "x", { fin: false }) + masked(1, "y"),
      frame(1, "x", { fin: false }) + frame(1, "y"),
    ],
    ["a Close frame of one byte", masked(8, "x"), frame(8, "x")],
    ["a reserved close code", masked(8, closing(1005)), frame(8, closing(1005))],
  ];
  it.each(bad)("%s is answered with 1002", (_, toServer, toClient) => {
    for (const cuts of [[1000], [1]]) {
      const server = serve(toServer, { sizes: cuts, mode: "discard" }).said;
      expect([server.sent.slice(-4), server.refusedWith]).toEqual([frame(8, closing(1002)), FAULT.BAD_FRAME]);
      expect(connect(toClient, { sizes: cuts }).said.refusedWith).toBe(FAULT.BAD_FRAME);
    }
  });

  it.each([
    ["in one frame", masked(2, "x", { length: 2 ** 20 + 1 })],
    ["with a length of more than 32 bits", masked(2, "x", { length: 2 ** 40 })],
    [
      "in fragments",
      masked(2, "x".repeat(2 ** 19), { fin: false }).repeat(1) +
        masked(0, "x".repeat(2 ** 19), { fin: false }) +
        masked(0, "x"),
    ],
  ])("a message that is too long, %s, is answered with 1009", (_, stream) => {
    const { said } = serve(stream, { mode: "discard" });
    expect([said.sent.slice(-4), said.refusedWith]).toEqual([frame(8, closing(1009)), FAULT.MESSAGE_TOO_BIG]);
  });

  it("cost a bounded amount of memory, however many incomplete heads arrive", () => {
    const host = new ProtocolHost();
    const server = new WebSocketServer(host, { spec: SPEC, mode: "echo", greeting: "", closeAfterGreeting: false });
    host.constants = server.constants;
    const half = encode(`GET / HTTP/1.1\r\nX: ${"x".repeat(10_000)}`);
    const slots = 5000;
    for (let slot = 0; slot < slots; slot++) {
      host.opened(slot);
      server.opened(slot);
      server.received(slot, half, 0, half.length);
    }
    const refused = host.said.filter(({ refusedWith }) => refusedWith === FAULT.HEAD_TOO_LONG).length;
    expect((slots - refused) * half.length).toBeLessThanOrEqual(16 * 1024 * 1024);
    // A closed connection releases its buffer.
    server.closed(0);
    host.opened(0);
    server.opened(0);
    server.received(0, half, 0, half.length);
    expect(host.said[0]!.refusedWith).toBeUndefined();
  });

  it("release memory if the connection ended while it was being answered", () => {
    const host = new ProtocolHost();
    const server = new WebSocketServer(host, { spec: SPEC, mode: "echo", greeting: "", closeAfterGreeting: false });
    host.constants = server.constants;
    // Imitates a host whose send fails because the peer has reset the connection.
    host.send = (slot) => server.closed(slot);
    const bytes = encode(request() + masked(9, "x".repeat(125)).slice(0, 130));
    for (let n = 0; n < (17 * 1024 * 1024) / 130; n++) {
      host.opened(0);
      server.opened(0);
      server.received(0, bytes, 0, bytes.length);
    }
    expect(host.said[0]!.refusedWith).toBeUndefined();
  });

  it("include a head without an end", () => {
    const { host, server } = serve("");
    host.opened(0);
    server.opened(0);
    const line = encode("X: y\r\n");
    for (let n = 0; n < 10_000 && !host.hasEnded(0); n++) server.received(0, line, 0, line.length);
    expect(host.said[0]!.refusedWith).toBe(FAULT.HEAD_TOO_LONG);
  });
});

describe("a client whose connection ends while it sends", () => {
  /** Returns a client in the middle of a read, whose connection ends with the first frame that it sends. */
  const open = () => {
    const host = new ProtocolHost();
    const client = new WebSocketClient(host, { spec: SPEC, slots: 1, key: KEY });
    host.constants = client.constants;
    host.opened(0);
    client.opened(0);
    const receive = (text: string) => client.received(0, encode(text), 0, text.length);
    receive(agreement());
    let sends = 0;
    host.send = (slot) => {
      sends++;
      client.closed(slot);
    };
    return { host, receive, sends: () => sends };
  };

  it.each([
    ["a ping", frame(9, "one") + frame(9, "two")],
    ["a violation", frame(3, "")],
    ["a Close frame", closing(1001)],
  ])("does not refuse it again, nor read on: %s", (_, bytes) => {
    const { host, receive, sends } = open();
    receive(bytes);
    expect(sends()).toBe(1);
    expect(host.said[0]).toMatchObject({ refusedWith: undefined, pongs: 0 });
  });
});
