// Tests that one page lists all events of `connect --json`, and all reasons why a run misses its target.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { ConnectEvent } from "../../src/client/event-stream.js";
import { MISS_KINDS } from "../../src/results/identifiers.js";

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
  expect(namesIn("## Events")).toEqual(Object.keys(EVENTS));
});

it("docs/connect.md lists every kind of miss", () => {
  expect(namesIn("## The verdict").sort()).toEqual([...MISS_KINDS].sort());
});

/** Returns the names in the first column of the first table below a heading of docs/connect.md. */
function namesIn(heading: string): string[] {
  const page = readFileSync(new URL("../../docs/connect.md", import.meta.url), "utf8");
  const section = page.split(`${heading}\n`)[1]!;
  const [table] = section.split("\n\n").filter((block) => block.startsWith("|"));
  return table!.split("\n").flatMap((row) => [...row.split("|")[1]!.matchAll(/`([\w-]+)`/g)].map(([, name]) => name!));
}
