// Tests that one page lists all events of `connect --json`.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { ConnectEvent } from "../../src/client/event-stream.js";

// An event added to the type but not here is a compile error.
const EVENTS: Readonly<Record<ConnectEvent["event"], true>> = {
  started: true,
  snapshot: true,
  opened: true,
  received: true,
  notPrinted: true,
  result: true,
};

it("docs/connect.md lists every event of connect --json", () => {
  const page = readFileSync(new URL("../../docs/connect.md", import.meta.url), "utf8");
  const table = page.split("## Events\n")[1]!.split("\n\n")[1]!;
  const listed = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
  expect(listed).toEqual(Object.keys(EVENTS));
});
