import { expect, it } from "vitest";
import { startProgram } from "../support/process.js";

it("Ctrl-C between the end of a run and its output does not lose the result", async () => {
  expect(await startProgram("late-signal", {}).exited()).toMatchObject({ code: 0, stdout: "the result\n" });
});
