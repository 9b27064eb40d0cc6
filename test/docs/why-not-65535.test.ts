// Tests that the lab output quoted in the page is that of the committed run, word for word.
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { ROOT } from "../support/library.js";

it("docs/why-not-65535.md quotes docs/runs/lab.json", () => {
  const { status, stderr } = spawnSync(process.execPath, [`${ROOT}scripts/quote-lab.mjs`, "--check"], {
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, ""]);
});
