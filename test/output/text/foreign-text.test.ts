// Tests that control characters in the names of processes, in files and in journals do not reach a terminal.
import { expect, it } from "vitest";
import { undoText } from "../../../src/output/text/fix.js";
import { printable } from "../../../src/util/printable.js";

it("has only its control characters replaced", () => {
  expect(printable("a\x1b[31mb\nc\x7f\x9bd é 漢")).toBe("a?[31mb?c??d é 漢");
});

it("in a journal's old value is shown without control characters", () => {
  const outcome = {
    name: "net.core.somaxconn",
    from: "1\x1b[2J",
    to: "2",
    value: "3",
    status: "changed since",
    note: "",
  };
  const report = { kind: "undone", version: 1, journal: "/j", outcomes: [outcome], tornLines: 0 };
  const text = undoText(report as never);
  expect(text).toContain("was 1?[2J");
  expect(text).not.toContain("\x1b");
});
