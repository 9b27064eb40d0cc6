// Tests that timers, promises and process.exit() are rejected by name in handlers, and only there.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { FAULT } from "../../../src/protocols/codes.js";
import { Board } from "../../../src/protocols/scripted/board.js";
import { forbidInHandlers } from "../../../src/protocols/scripted/forbidden.js";
import { ProtocolHost } from "../../support/protocol-host.js";
import { sideOf } from "../../support/scripted.js";

let act: () => void = () => undefined;
const connections = new ProtocolHost();
const { side, host } = sideOf(connections, { name: "x", client: { due: () => act() } });
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
  ["queueMicrotask()", () => queueMicrotask(() => undefined), "queueMicrotask() in a handler"],
  ["fetch()", () => fetch("http://127.0.0.1:9/"), "fetch() in a handler"],
  ["process.exit()", () => process.exit(0), "process.exit() in a handler"],
  ["a promise", () => void Promise.resolve(), "a promise in a handler"],
  ["an async function", () => void (async () => undefined)(), "a promise in a handler"],
])("refuses %s", (_, forbidden, words) => {
  expect(errorOf(forbidden)).toContain(words);
  expect(connections.said[0]).toMatchObject({ refusedWith: FAULT.HANDLER_ERROR });
});

it("leaves other code alone, and later handlers too", async () => {
  await sleep(1);
  expect(await new Promise((resolve) => setTimeout(resolve, 1, "later"))).toBe("later");
  expect(errorOf(() => undefined)).toBeUndefined();
});
