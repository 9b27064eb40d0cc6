// Tests that timers, promises and process.exit() are rejected by name in handlers, and only there.
import { spawnSync } from "node:child_process";
import timers, { setTimeout as later } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { FAULT } from "../../../src/protocols/codes.js";
import { Board } from "../../../src/protocols/scripted/board.js";
import { forbidInHandlers } from "../../../src/protocols/scripted/forbidden.js";
import { ProtocolHost } from "../../support/protocol-host.js";
import { type AnyDefinition, sideOf } from "../../support/scripted.js";

let act: () => void = () => undefined;
const connections = new ProtocolHost();
const heard: string[] = [];
/** Ends a frame at a line feed, and creates a promise for bytes that begin with an exclamation mark. */
function frameEnd(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] === 0x21) void Promise.resolve();
  return bytes[end - 1] === 0x0a ? end : -1;
}
const definition: AnyDefinition = {
  name: "x",
  framing: { end: frameEnd },
  client: { due: () => act(), received: (_, frame) => void heard.push(frame.text()) },
};
const { side, host } = sideOf(connections, definition);
forbidInHandlers(host.calls);

function errorOf(forbidden: () => void): string | undefined {
  Object.assign(host, { board: new Board() });
  act = forbidden;
  connections.opened(0);
  side.opened(0);
  side.due(0);
  return host.board.error;
}

it.each<[string, () => void, string]>([
  ["setTimeout()", () => setTimeout(() => undefined, 1), "setTimeout() in a handler"],
  ["setInterval()", () => setInterval(() => undefined, 1), "setInterval() in a handler"],
  ["an import of node:timers", () => later(() => undefined, 1), "setTimeout() in a handler"],
  ["node:timers itself", () => timers.setImmediate(() => undefined), "setImmediate() in a handler"],
  ["queueMicrotask()", () => queueMicrotask(() => undefined), "queueMicrotask() in a handler"],
  ["fetch()", () => fetch("http://127.0.0.1:9/"), "fetch() in a handler"],
  ["process.exit()", () => process.exit(0), "process.exit() in a handler"],
  ["a promise", () => void Promise.resolve(), "a promise in a handler"],
  ["an async function", () => void (async () => undefined)(), "a promise in a handler"],
])("refuses %s", (_, forbidden, words) => {
  expect(errorOf(forbidden)).toContain(words);
  expect(connections.said[0]).toMatchObject({ refusedWith: FAULT.HANDLER_ERROR });
});

it("blames a promise of a framing function on the connection whose bytes it was given", () => {
  Object.assign(host, { board: new Board() });
  for (let slot = 0; slot < 3; slot++) {
    connections.opened(slot);
    side.opened(slot);
  }
  const receive = (slot: number, text: string) => side.received(slot, Buffer.from(text), 0, text.length);
  receive(0, "!part");
  receive(1, "!whole\n");
  receive(2, "ok\n");
  expect(heard).toEqual(["ok\n"]);
  expect(host.board.error).toContain("framing.end() failed for connection");
  expect(host.board.error).toContain("a promise in a handler");
  const refusals = connections.said.map(({ refusedWith }) => refusedWith);
  expect(refusals).toEqual([FAULT.HANDLER_ERROR, FAULT.HANDLER_ERROR, undefined]);
});

it("refuses process.nextTick(), but not when Node.js itself calls it, as for a warning", () => {
  const module = new URL("../../../dist/protocols/scripted/forbidden.js", import.meta.url);
  // The test runner has its own process.nextTick().
  const script = `
    import { forbidInHandlers } from ${JSON.stringify(module.href)};
    forbidInHandlers(new Int32Array([1, 0]));
    process.emitWarning("from a handler");
    try { process.nextTick(() => undefined); } catch ({ message }) { console.log(message); }`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  expect(stdout).toContain("process.nextTick() in a handler");
  expect(stderr).toContain("Warning: from a handler");
});

it("leaves other code alone, and later handlers too", async () => {
  await sleep(1);
  expect(await new Promise((resolve) => setTimeout(resolve, 1, "later"))).toBe("later");
  expect(errorOf(() => undefined)).toBeUndefined();
});
