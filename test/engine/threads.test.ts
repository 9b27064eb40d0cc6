// Threads outlive their runs and are used again: what they cost a program that makes many runs, and how they end with it.
import { describe, expect, it } from "vitest";
import { ownAddress } from "../support/address.js";
import { startProgram } from "../support/process.js";

describe("many runs in one program", () => {
  it("take no more memory mappings, descriptors or threads, run after run", { timeout: 120_000 }, async () => {
    const program = startProgram("steady-runs", { host: ownAddress(), rounds: 150 });
    const { code, stdout, stderr } = await program.exited(100_000);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { early, late } = JSON.parse(stdout);
    expect(late.descriptors).toBe(early.descriptors);
    expect(late.threads).toBe(early.threads);
    // Each new thread left three mappings and 3 MiB behind, four threads a round: 1,200 mappings in these 100. The heap's own come and go.
    expect(late.mappings - early.mappings).toBeLessThan(250);
    expect(late.addressSpaceKib - early.addressSpaceKib).toBeLessThan(250 * 1024);
  });

  it("at once, a dozen of them, print no warning", { timeout: 60_000 }, async () => {
    const program = startProgram("parallel-runs", { host: ownAddress(), runs: 12 });
    const { code, stdout, stderr } = await program.exited(50_000);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "12 met\n", stderr: "" });
  });

  it("end with the program, which does not wait for idle threads", { timeout: 60_000 }, async () => {
    const program = startProgram("parallel-runs", { host: ownAddress(), runs: 1 });
    expect(await program.exited()).toMatchObject({ code: 0, stdout: "1 met\n" });
  });
});
