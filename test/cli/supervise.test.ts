import { expect, it } from "vitest";
import { startProgram } from "../support/process.js";

it("Ctrl-C between a run's end and its printing does not take the result away", async () => {
  expect(await startProgram("late-signal", {}).exited()).toMatchObject({ code: 0, stdout: "the result\n" });
});
