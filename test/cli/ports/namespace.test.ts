// Tests `fourtuple ports` in its own namespace, without sockets of other programs.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";
import { litFields } from "../../support/port-map.js";
import { runCli } from "../../support/process.js";
import { connectRaw, listenRaw } from "../../support/raw-sockets.js";

describe.skipIf(!canMakeNamespaces())("ports --map", () => {
  it("draws a wildcard listener without connections", async () => {
    enterNamespace();
    listenRaw("0.0.0.0", 2024);
    for (const args of [["--map"], [":2024", "--map"]]) {
      const { code, stdout } = await runCli(["ports", ...args]);
      expect(stdout).toContain("server 0.0.0.0: 1 port in use by 0 sockets");
      expect(stdout).toContain("2024, listening");
      expect(code).toBe(0);
    }
  });

  it("counts what it draws", async () => {
    enterNamespace();
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-ports-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    listenRaw("127.0.0.1", 1001);
    for (let i = 0; i < 200; i++) connectRaw("127.0.0.1", 1001, { ip: `127.1.0.${i}` });
    for (let i = 0; i < 40; i++) connectRaw("127.0.0.1", 1001, { ip: "127.9.9.9" });
    for (const file of ["map.svg", "map.html"]) {
      const { stdout } = await runCli(["ports", "--map", join(folder, file)]);
      const fields = litFields(readFileSync(join(folder, file), "utf8"));
      const lit = fields.reduce((sum, field) => sum + field.lit, 0);
      expect(fields.slice(0, 2)).toMatchObject([
        { ip: "127.0.0.1", lit: 1 },
        { ip: "127.9.9.9", lit: 40 },
      ]);
      expect([fields.length, lit]).toEqual([25, 64]);
      expect(stdout).toContain("25 addresses, 64 ports in use");
    }
  });
});

describe.skipIf(!canMakeNamespaces())("ports --pressure", () => {
  it("exits with 1 for a port without outgoing connections", async () => {
    enterNamespace();
    const { code, stdout } = await runCli(["ports", ":9", "--pressure"]);
    expect(stdout).toContain("0 sockets opened from here");
    expect(code).toBe(1);
    expect((await runCli(["ports", "--pressure"])).code).toBe(0);
  });
});
