// Tests that starting is all or nothing: whichever acquisition fails, serve() and connect() reject with an AppError and
// leave nothing behind.
import { describe, expect, it } from "vitest";
import { ownAddress } from "../support/address.js";
import { socketsInSs } from "../support/kernel.js";
import { connectForeign } from "../support/peers.js";
import { startProgram } from "../support/process.js";

interface Attempt {
  readonly outcome: string;
  readonly code: string | undefined;
  readonly listening: number;
  readonly leftBehind: readonly string[];
}

describe("a start-up in which one system call fails", () => {
  it.each(["serve", "connect"])(
    "of %s leaves nothing behind, whichever call it is",
    { timeout: 120_000 },
    async (role) => {
      const program = startProgram("failing-calls", { host: ownAddress(), role });
      const { code, stdout, stderr } = await program.exited(110_000);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const attempts: Attempt[] = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(attempts.length).toBeGreaterThan(8);
      for (const attempt of attempts) {
        expect(attempt).toMatchObject({ listening: 0, leftBehind: [] });
        expect(attempt.outcome, JSON.stringify(attempt)).toMatch(/^(done|AppError)$/);
      }
      expect(attempts.filter(({ outcome }) => outcome === "AppError").length).toBeGreaterThan(2);
    },
  );
});

describe("a start-up with few descriptors left", () => {
  it.each([
    [0, "refused E_LISTEN"],
    [1, "refused E_SYSTEM"],
    [4, "refused"],
    [9, undefined],
    [12, undefined],
    [40, "serves"],
  ])("%d of them: serves, or fails and leaves no listener", async (free, expected) => {
    const host = ownAddress();
    const program = startProgram("short-of-descriptors", { host, free }, { nofile: 120 });
    const [said] = await program.prints(/^(?:serves|refused) .*$/m);
    if (expected) expect(said).toContain(expected);
    const [, port] = /^serves (\d+)$/.exec(said) ?? [];
    if (port) {
      const client = await connectForeign({ ip: host, port: Number(port) });
      expect((await client.receives(5)).toString()).toBe("hello");
      client.socket.destroy();
    } else {
      expect(said).toMatch(/^refused E_/);
      expect(said).not.toContain("bug");
      expect(await socketsInSs(`src ${host}`, "listening")).toEqual([]);
    }
    program.child.kill("SIGTERM");
    expect(await program.exited()).toMatchObject({ code: 0, signal: undefined, stderr: "" });
  });
});
