// What the lab refuses before it makes anything.
import { describe, expect, it } from "vitest";
import { runCli } from "../support/process.js";

describe("a crowd that would show nothing", () => {
  it.each(["1", "65535"])("is refused: -c %s", async (count) => {
    const { code, stdout, stderr } = await runCli(["lab", "--only", "E2", "-c", count]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(new RegExp(`^Fatal error: ${count} connections? show nothing: there are 65535 ports$`, "m"));
    expect(stderr).toMatch(/^ {2}fix: ask for more than 65535, such as -c 100k$/m);
  });
});
