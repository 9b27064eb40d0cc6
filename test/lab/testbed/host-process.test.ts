// A program of the lab's that has to end: also one that is stopped, and one that says why it cannot.
import { describe, expect, it } from "vitest";
import { HostProcess } from "../../../src/lab/testbed/host-process.js";
import { readProcessFacts } from "../../../src/linux/proc/process-facts.js";
import { until } from "../../support/until.js";

const ORDERLY = "process.on('SIGTERM', () => process.exit(5)); console.log('ready'); setInterval(() => {}, 1e6);";

describe("a program", () => {
  it("that is stopped (SIGSTOP) goes on, and ends in order", async () => {
    const program = new HostProcess("it", [process.execPath, "-e", ORDERLY], false);
    await program.prints(/ready/);
    program.kill("SIGSTOP");
    await until("it to stand still", () => readProcessFacts(program.pid!)?.isStopped);
    await program.end();
    expect(await program.result).toMatchObject({ code: 5, signal: undefined });
  });

  it.each([
    [3, "E_PERMISSION"],
    [1, "E_SYSTEM"],
  ])("that ends with %d instead of printing is an error %s", async (code, expected) => {
    const program = new HostProcess("it", ["sh", "-c", `echo no >&2; exit ${code}`], false);
    await expect(program.prints(/listening/)).rejects.toMatchObject({
      code: expected,
      message: "it ended early: no",
    });
  });

  it("that there is not is what this host lacks", async () => {
    const program = new HostProcess("it", ["no-such-program"], false);
    await expect(program.result).rejects.toMatchObject({
      code: "E_PLATFORM",
      message: "no-such-program is not installed",
    });
  });
});
