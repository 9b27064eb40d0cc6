// Tests how often the programs that list NAT's rules run, and which of them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { cachedRules, readRulesNow } from "../../../src/socket-table/ports/nat-rule-cache.js";
import type { Family } from "../../../src/util/address.js";

/** Replaces the programs by ones that note their names. @returns a function that reads these names */
function replacePrograms(): () => string[] {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-nat-"));
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
  const log = join(folder, "log");
  writeFileSync(log, "");
  for (const name of ["nft", "iptables-save", "ip6tables-save"])
    writeFileSync(join(folder, name), `#!/bin/sh\necho ${name} >> ${log}\n`, { mode: 0o755 });
  vi.stubEnv("PATH", `${folder}:${process.env.PATH}`);
  return () => readFileSync(log, "utf8").trim().split("\n").filter(Boolean).sort();
}

it.each<[Family[], string[]]>([
  [[], []],
  [[4], ["iptables-save", "nft"]],
  [[6], ["ip6tables-save", "nft"]],
  [
    [4, 6],
    ["ip6tables-save", "iptables-save", "nft"],
  ],
])("only the programs for translated connections of families %j run", async (families, expected) => {
  const ran = replacePrograms();
  await readRulesNow(new Set(families));
  expect(ran()).toEqual(expected);
});

it("rules are read every five minutes, or for a further family", async () => {
  let nowMs = 0;
  const reads: Family[][] = [];
  const read = cachedRules(
    async (families) => {
      reads.push([...families].sort());
      return [];
    },
    () => nowMs,
  );
  for (const [atMs, families] of [
    [0, [4]],
    [200_000, [4]],
    [200_000, []],
    [200_000, [6]],
    [499_999, [4, 6]],
    [500_000, [4]],
  ] as [number, Family[]][]) {
    nowMs = atMs;
    await read(new Set(families));
  }
  expect(reads).toEqual([[4], [4, 6], [4]]);
});
