// Tests the side that runs a script: the contract of every protocol, and what handlers may and may not do.
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { CODES, FAULT } from "../../../src/protocols/codes.js";
import type { ClientConnections } from "../../../src/protocols/contract.js";
import { defineProtocol } from "../../../src/protocols/scripted/define.js";
import { ProtocolHost } from "../../support/protocol-host.js";
import { type AnyDefinition, type SideOptions, sideOf } from "../../support/scripted.js";
import { describeProtocol, encode } from "../contract.js";

const PING = encode("PING\r\n");

const line = defineProtocol({
  name: "line",
  framing: { delimiter: "\r\n" },
  client: {
    opened(c) {
      c.send("HELLO\r\n");
    },
    received(c, frame) {
      if (c.isReady) {
        if (c.waiting > 0) c.answered();
      } else if (frame.startsWith("OK")) c.ready();
      else c.refused(535, frame.text());
    },
    due(c) {
      c.send(PING);
    },
  },
  server: {
    received(c, frame) {
      if (frame.equals("PING")) c.send("PONG\r\n");
      else if (frame.equals("BYE")) c.close();
    },
  },
});

const create = (definition: AnyDefinition, options: SideOptions) => (connections: ClientConnections, slots: number) =>
  sideOf(connections, definition, { ...options, slots }).side;

describeProtocol("a script's client", { create: create(line, {}), stream: "PONG\r\n", handshake: "OK\r\n" });
describeProtocol("a script's server", { create: create(line, { isServer: true }), stream: "PING\r\n" });

/** Returns a side with an open connection in each slot below `connections`. */
function open(definition: AnyDefinition, options: SideOptions = {}, connections = 1) {
  const host = new ProtocolHost();
  const made = sideOf(host, definition, options);
  for (let slot = 0; slot < connections; slot++) {
    host.opened(slot);
    made.side.opened(slot);
  }
  const receive = (text: string, slot = 0) => made.side.received(slot, encode(text), 0, text.length);
  return { ...made, connections: host, said: host.said[0]!, receive };
}

it("a connection is ready at once without an opened handler, and otherwise when the handler says so", () => {
  expect(open(defineProtocol({ name: "x", client: {} })).said.isReady).toBe(true);
  const { said, receive } = open(line);
  expect(said).toMatchObject({ sent: "HELLO\r\n", isReady: false });
  receive("OK\r\n");
  expect(said.isReady).toBe(true);
});

it("messages that become due as soon as a connection is ready follow what its handler sends, and precede its end", () => {
  const definition = defineProtocol({
    name: "x",
    client: {
      opened: (c) => c.send("HELLO;"),
      received(c, frame) {
        c.ready();
        c.send("AFTER;");
        if (frame.equals("BYE")) c.close();
      },
      due: (c) => c.send("PING;"),
    },
  });
  const { side, connections, host, receive } = open(definition, {}, 2);
  connections.ready = (slot) => {
    connections.said[slot]!.isReady = true;
    side.due(slot);
  };
  receive("WELCOME");
  receive("BYE", 1);
  expect(host.board.error).toBeUndefined();
  expect(connections.said[0]).toMatchObject({ sent: "HELLO;AFTER;PING;", isReady: true, isClosed: false });
  expect(connections.said[1]).toMatchObject({ sent: "HELLO;AFTER;PING;", isReady: true, isClosed: true });
});

it("columns keep a connection's state apart from others', in the bytes that they declare", () => {
  const { side, connections, receive } = open(
    defineProtocol({
      name: "columns",
      state: { seq: "u32", room: "u16", seen: "f64" },
      server: {
        received(c) {
          c.seq += 1;
          c.room = 65_536 + c.number;
          c.seen = c.seq / 2;
          c.send(`${c.seq} ${c.room} ${c.seen};`);
        },
      },
    }),
    { isServer: true },
    2,
  );
  receive("x");
  receive("x", 1);
  receive("x");
  expect(connections.said.map(({ sent }) => sent)).toEqual(["1 1 0.5;2 1 1;", "1 2 0.5;"]);
  expect(side.slotBytes).toBe(14 + 5);
  side.opened(0);
  receive("x");
  expect(connections.said[0]!.sent).toMatch(/;1 3 0\.5;$/);
});

it("a refusal has the author's code and its first text, and nothing is read after it", () => {
  const { side, said, host, receive } = open(line);
  receive("NO such user\r\nOK\r\n");
  expect(said).toMatchObject({ refusedWith: CODES.scripted + 535, isReady: false });
  side.closed(0);
  expect(host.board.refusals()).toEqual([{ code: 535, text: "NO such user" }]);
});

it("what a handler sends leaves in one call, before the connection is closed", () => {
  const sends: string[] = [];
  const connections = new ProtocolHost();
  connections.send = (_, bytes, start, end) => sends.push(Buffer.from(bytes.subarray(start, end)).toString());
  connections.close = () => sends.push("closed");
  const { side } = sideOf(
    connections,
    defineProtocol({
      name: "x",
      server: {
        opened(c) {
          c.ready();
          c.send("a");
          c.send(encode("xbx"), 1, 2);
          c.close();
        },
      },
    }),
    { isServer: true },
  );
  connections.opened(0);
  side.opened(0);
  expect(sends).toEqual(["ab", "closed"]);
});

it("a connection that breaks while a handler sends is not blamed on the script", () => {
  const connections = new ProtocolHost();
  const definition = defineProtocol({
    name: "x",
    client: {
      due(c) {
        c.send(new Uint8Array(100_000));
        c.send("more");
        if (c.waiting > 0) c.answered();
      },
    },
  });
  const { side, host } = sideOf(connections, definition);
  connections.send = (slot) => side.closed(slot);
  connections.opened(0);
  side.opened(0);
  side.due(0);
  expect(host.board.error).toBeUndefined();
  expect(connections.said[0]).toMatchObject({ refusedWith: undefined, isClosed: false });
});

describe("misuse ends the connection with a counted failure that says what was wrong:", () => {
  const cases: [
    string,
    (c: Parameters<NonNullable<NonNullable<typeof anything.client>["due"]>>[0]) => unknown,
    string,
  ][] = [
    ["send after close", (c) => [c.close(), c.send("x")], "send() after close()"],
    ["ready twice", (c) => c.ready(), "ready() was called twice"],
    [
      "an unknown column",
      (c) => ((c as unknown as { sqe: number }).sqe = 1),
      "unknown column: sqe (the state has seq)",
    ],
    ["reading an unknown column", (c) => (c as unknown as { sqe: number }).sqe, "unknown column: sqe"],
    ["a promise", () => Promise.resolve(), "returned a promise"],
    ["an answer to nothing", (c) => c.answered(), "1 of 0 messages"],
    ["an unknown phase", (c) => c.phase("b" as "a"), "unknown phase: b (the phases are a)"],
    ["a code out of range", (c) => c.refused(-1), "refused(-1)"],
    ["a code that is a text", (c) => c.refused("535" as unknown as number), 'refused("535"): use a whole number'],
    ["sending something else", (c) => c.send(7 as unknown as string), "takes a string or a Uint8Array"],
    ["sending half a byte", (c) => c.send(PING, 0, 3.5), "send(): bytes 0 to 3.5: use integers"],
    ["sending to no index", (c) => c.send(PING, Number.NaN), "send(): bytes NaN to 6: use integers"],
    ["sending too long a text", (c) => c.send("x".repeat(20_000_000)), "send(): a string of 20000000 characters"],
    ["a refusal's text that is none", (c) => c.refused(1, {} as string), "refused(1): its text is not a string"],
    ["overwriting an operation", (c) => Object.assign(c, { send: 1 }), "not extensible"],
    ["an endless count", (c) => c.metrics.n.add(Infinity), "metrics.n.add(Infinity)"],
    ["a row without a data file", (c) => c.row, "--data"],
    [
      "an unknown metric",
      (c) => (c.metrics as unknown as { m: { add(): void } }).m.add(),
      "unknown metric: m (the metrics are n)",
    ],
    ["a negative count", (c) => c.metrics.n.add(-1), "metrics.n.add(-1)"],
    ["a count that is a text", (c) => c.metrics.n.add("3" as unknown as number), "use a number of 0 or more"],
  ];
  const anything = defineProtocol({
    name: "anything",
    state: { seq: "u32" },
    metrics: { n: "counter" },
    phases: ["a"],
    client: { due() {} },
  });

  it.each(cases)("%s", (_, act, words) => {
    const definition = { ...anything, client: { due: act } } as AnyDefinition;
    const { side, said, host } = open(definition);
    side.due(0);
    expect(host.board.error).toContain(words);
    expect(host.board.error).toContain("due() failed for connection 1: ");
    expect(said).toMatchObject({ refusedWith: FAULT.HANDLER_ERROR });
    expect(host.counters[0]).toBe(1);
    expect(host.calls[0]).toBe(0);
  });
});

it("an error names the file and line, and only the first is kept", () => {
  const definition = defineProtocol({
    name: "x",
    server: {
      received() {
        throw new RangeError("no such room");
      },
    },
  });
  const { connections, host, receive } = open(definition, { isServer: true, file: fileURLToPath(import.meta.url) }, 2);
  receive("x", 1);
  receive("x", 0);
  expect(host.board.error).toMatch(
    /^received\(\) failed for connection 2: RangeError: no such room\n {2}at .*side\.test\.ts:\d+:\d+/,
  );
  expect(host.counters[0]).toBe(2);
  expect(connections.said.map(({ refusedWith }) => refusedWith)).toEqual([FAULT.HANDLER_ERROR, FAULT.HANDLER_ERROR]);
});

it("random numbers differ between connections, and the same seed repeats them", () => {
  const draw = (seed: number) => {
    const drawn: number[] = [];
    const definition = defineProtocol({ name: "x", client: { due: (c) => void drawn.push(c.random()) } });
    const { side } = open(definition, { seed }, 2);
    for (const slot of [0, 1, 0, 1]) side.due(slot);
    return drawn;
  };
  const drawn = draw(1);
  expect(draw(1)).toEqual(drawn);
  expect(new Set([...drawn, ...draw(2)]).size).toBe(8);
  for (const number of drawn) expect(number >= 0 && number < 1).toBe(true);
});

it("phases count connections and measure how long they stay", () => {
  const definition = defineProtocol({
    name: "x",
    phases: ["login", "chat"],
    client: { due: (c) => c.phase("chat") },
  });
  const { side, host } = open(definition, {}, 3);
  // Without an `opened` handler, connections are ready at once, which ends the first phase.
  side.due(1);
  side.due(1);
  expect([...host.counters]).toEqual([0, 3, 1]);
  expect(host.histograms.map(({ count }) => count)).toEqual([3, 0]);
  side.closed(1);
  side.closed(2);
  expect(host.histograms.map(({ count }) => count)).toEqual([3, 1]);
});

it("the first phase begins by itself, ready() ends the current one, and a failed setup leaves none", () => {
  const definition = defineProtocol({
    name: "x",
    phases: ["greeting", "auth"],
    client: {
      opened: (c) => c.phase("greeting"),
      received(c, frame) {
        if (frame.equals("auth")) c.phase("auth");
        else c.ready();
      },
    },
  });
  const { side, host, receive } = open(definition, {}, 2);
  receive("auth");
  receive("auth", 1);
  expect(host.histograms.map(({ count }) => count)).toEqual([2, 0]);
  receive("ready");
  side.closed(0);
  side.closed(1);
  expect([...host.counters]).toEqual([0, 2, 2]);
  expect(host.histograms.map(({ count }) => count)).toEqual([2, 1]);
});

it("c cannot be used once its handler has returned", () => {
  const kept: { send(text: string): void; close(): void }[] = [];
  const definition = defineProtocol({ name: "x", server: { received: (c) => void kept.push(c) } });
  const { said, receive } = open(definition, { isServer: true });
  receive("x");
  expect(() => kept[0]!.send("late")).toThrow("send() was called outside a handler");
  expect(() => kept[0]!.close()).toThrow("close() was called outside a handler");
  receive("x");
  expect(said).toMatchObject({ sent: "", isClosed: false });
});

it("the trace of a misuse begins in the author's file", () => {
  const definition = defineProtocol({ name: "x", client: { due: (c) => c.answered() } });
  const { side, host } = open(definition, { file: fileURLToPath(import.meta.url) });
  side.due(0);
  expect(host.board.error).toMatch(/^due\(\) failed .*\n {2}at .*side\.test\.ts:\d+:\d+/);
});

it("a client says whether its messages wait for the previous answer", () => {
  const definition = defineProtocol({ name: "x", client: { oneAtATime: true, due: (c) => c.send("x") } });
  const { side, connections } = open(definition);
  expect(side.isBusy!(0)).toBe(false);
  connections.begin(side, 0);
  expect(side.isBusy!(0)).toBe(true);
  expect("isBusy" in open(line).side && open(line).side.isBusy).toBeFalsy();
});
