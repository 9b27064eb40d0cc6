// Tests what the lab rejects before it creates anything, or reports as impossible to test.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { runCli } from "../support/process.js";
import { hasUring } from "../support/ring.js";

describe("too few or too many connections", () => {
  it.each(["1", "65535"])("are rejected: -c %s", async (count) => {
    const { code, stdout, stderr } = await runCli(["lab", "--only", "E2", "-c", count]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(
      new RegExp(`^Fatal error: ${count} connections? prove nothing: there are 65535 ports$`, "m"),
    );
    expect(stderr).toMatch(/^ {2}fix: use more than 65535, such as -c 100k$/m);
  });
});

describe("the lab's page", () => {
  const file = (name: string) => {
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-page-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    return join(folder, name);
  };

  it("is kept if the options are rejected", async () => {
    const page = file("lab.html");
    writeFileSync(page, "the last one");
    const { code } = await runCli(["lab", "--only", "E99", "--report", page]);
    expect([code, readFileSync(page, "utf8")]).toEqual([2, "the last one"]);
  });

  it("is not created if the options are rejected", async () => {
    const page = file("lab.html");
    const { code } = await runCli(["lab", "--only", "E99", "--report", page]);
    expect([code, existsSync(page)]).toEqual([2, false]);
  });

  it("is known to be unwritable before anything is created", async () => {
    const { code, stdout, stderr } = await runCli(["lab", "--report", join(file("none"), "lab.html")]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/lab\.html cannot be written/);
  });
});

describe.skipIf(!canMakeNamespaces())("E4 with fewer open files than it tests", () => {
  it("over loopback confirms nothing", { timeout: 60_000 }, async () => {
    enterNamespace();
    const line = ["lab", "--loopback", "--quick", "--only", "E4", "--json"];
    const { code, stdout } = await runCli(line, { nofile: 512, deadlineMs: 50_000 });
    const [E4] = JSON.parse(stdout).experiments;
    expect([code, E4.verdict]).toEqual([0, "skipped"]);
    expect(E4.reason).toMatch(/^over loopback, only the open-file limit can be tested: it is 512 here; fix: /);
  });
});

describe("--engine", () => {
  it("is rejected if it is unknown", async () => {
    const { code, stderr } = await runCli(["lab", "--engine", "kqueue"]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/Allowed choices are auto, epoll, uring/)]);
  });

  it.skipIf(!canMakeNamespaces() || !hasUring)(
    "applies to all programs, and is named",
    { timeout: 60_000 },
    async () => {
      enterNamespace();
      const line = ["lab", "--loopback", "--quick", "--only", "E1", "--engine", "uring", "--json"];
      const { code, stdout } = await runCli(line, { deadlineMs: 50_000 });
      const { engine, experiments } = JSON.parse(stdout);
      expect([code, engine, experiments[0].verdict]).toEqual([0, "uring", "confirmed"]);
      const started = experiments[0].commands.filter((command: string) => /fourtuple (serve|connect)/.test(command));
      expect(started).toHaveLength(2);
      for (const command of started) expect(command).toContain(" --engine uring ");
    },
  );
});
