// Tests that threads outlive their runs and are reused, what they cost a program with many runs, and that they do not
// keep it from exiting.
import { describe, expect, it } from "vitest";
import { ownAddress } from "../support/address.js";
import { startProgram } from "../support/process.js";

describe("many runs in one program", () => {
  it("do not use more and more memory mappings, descriptors or threads", { timeout: 120_000 }, async () => {
    const program = startProgram("steady-runs", { host: ownAddress(), rounds: 90 });
    const { code, stdout, stderr } = await program.exited(100_000);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { early, late } = JSON.parse(stdout);
    expect(late.descriptors).toBe(early.descriptors);
    expect(late.threads).toBe(early.threads);
    // A new thread leaks three mappings and 3 MiB. With four new threads per round, that would be 720 mappings in
    // these 60 rounds; the heap accounts for smaller changes.
    expect(late.mappings - early.mappings).toBeLessThan(150);
    expect(late.addressSpaceKib - early.addressSpaceKib).toBeLessThan(150 * 1024);
  });

  it("at the same time, a dozen of them, print no warning", { timeout: 60_000 }, async () => {
    const program = startProgram("parallel-runs", { host: ownAddress(), runs: 12 });
    const { code, stdout, stderr } = await program.exited(50_000);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "12 met\n", stderr: "" });
  });

  it("end with the program, which does not wait for idle threads", { timeout: 60_000 }, async () => {
    const program = startProgram("parallel-runs", { host: ownAddress(), runs: 1 });
    expect(await program.exited()).toMatchObject({ code: 0, stdout: "1 met\n" });
  });
});
