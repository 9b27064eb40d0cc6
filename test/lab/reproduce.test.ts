// Tests the commands that a lab prints for reproduction: pasted into a shell, they create two hosts and show the same
// results.

import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { boxBetween } from "../../src/lab/experiments/box-between.js";
import { reproduceHosts } from "../../src/lab/reproduce.js";
import { runExperiment } from "../../src/lab/run-experiment.js";
import { openTestbed } from "../../src/lab/testbed/testbed.js";
import { tunObstacle } from "../../src/linux/tun/tun.js";
import type { LabResult } from "../../src/results/lab/lab.js";
import { readPage } from "../support/markdown.js";
import { canMakeNamespaces } from "../support/namespace.js";
import { CLI_FILE, hasProgram, runCli, start } from "../support/process.js";
import { until } from "../support/until.js";

/** Everything started from this shell ends with it: its processes, its mounts, and so the names of its namespaces. */
const SHELL = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c"];
const HOME = "mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns";

/**
 * Types lines into a shell that has fourtuple on its PATH.
 * @returns the standard output
 */
async function type(lines: readonly string[]): Promise<string> {
  const bin = mkdtempSync(join(tmpdir(), "fourtuple-by-hand-"));
  onTestFinished(() => rmSync(bin, { recursive: true }));
  symlinkSync(CLI_FILE, join(bin, "fourtuple"));
  const script = [HOME, ...lines, "ip netns list; echo the end"].join("\n");
  const shell = start("unshare", [...SHELL, script], { env: { PATH: `${bin}:${process.env.PATH}` } });
  const { stdout, stderr, code } = await shell.exited(150_000);
  expect(stdout, stderr).toMatch(/the end\n$/);
  expect(code, stderr).toBe(0);
  return stdout;
}

describe.skipIf(!canMakeNamespaces())("a lab in namespaces, repeated by hand", { timeout: 300_000 }, () => {
  it("shows what the lab observed, and removes its hosts", async () => {
    const lab = await runCli(["lab", "--quick", "--only", "E1,E3,E7", "--json"], { deadlineMs: 120_000 });
    const { reproduce, experiments }: LabResult = JSON.parse(lab.stdout);
    const page = readPage("docs/lab.md");
    for (const line of [...reproduce!.make, ...experiments[0]!.commands, ...reproduce!.remove])
      expect(page).toContain(line);
    const typed = experiments.map(({ id, commands }) => [`echo "== ${id}"`, ...commands]);
    const printed = await type([...reproduce!.make, ...typed.flat(), ...reproduce!.remove]);
    const [, fourClients, sourcePorts, halfOpen] = printed.split(/^== E\d$/m) as [string, string, string, string];

    expect(fourClients.match(/^receive hello from server$/gm)).toHaveLength(4);
    expect(fourClients).toMatch(/^4 ESTABLISHED sockets share local port 7777; .* accept\(\) used no other port$/m);
    const rows = (pattern: RegExp) => [...fourClients.matchAll(pattern)].map(([, own]) => own).sort();
    const onServer = rows(/^ESTABLISHED\s+\d+\s+\d+\s+10\.77\.0\.1:7777\s+(10\.77\.1\.1:\d+)$/gm);
    expect(onServer).toHaveLength(4);
    expect(rows(/^ESTABLISHED\s+\d+\s+\d+\s+(10\.77\.1\.1:\d+)\s+10\.77\.0\.1:7777$/gm)).toEqual(onServer);

    expect(sourcePorts.match(/^target missed: .*/gm)).toEqual([
      expect.stringMatching(/^target missed: 2,000 of 2,200 connections to 10.77.0.1:7777: every planned 4-tuple /),
      expect.stringMatching(/^target missed: 4,000 of 4,200 connections to /),
      expect.stringMatching(/^target missed: 4,000 of 4,200 connections to 10.77.0.1:7777: /),
    ]);
    expect(sourcePorts.match(/^ {2}limit +source-ports, on this side$/gm)).toHaveLength(3);

    expect(halfOpen.match(/\d+ (TIME_WAIT|CLOSE_WAIT|FIN_WAIT2|ESTABLISHED)/g)).toEqual(
      expect.arrayContaining(["50 TIME_WAIT", "50 CLOSE_WAIT", "50 FIN_WAIT2", "50 ESTABLISHED"]),
    );
    // The data that could not cross the cut link is being retransmitted.
    expect(halfOpen).toMatch(/^ESTAB\s.* 10\.77\.0\.1:7782 +timer:\(on,/m);
    expect(printed).not.toMatch(/lab-(server|client)/);
  });

  it.skipIf(tunObstacle() !== undefined || !hasProgram("nft") || !hasProgram("nc"))(
    "also shows what a box between them held",
    async () => {
      const testbed = await openTestbed();
      onTestFinished(() => testbed.close());
      // A socket of another experiment.
      testbed.server.start("nc", ["nc", "-l", testbed.server.ips[0]!, "7777"]);
      const listening = () => testbed.server.exec("cat", ["/proc/net/sockstat"]);
      await until("another socket", listening, (sockets) => /^TCP: inuse 1 /m.test(sockets));
      const result = await runExperiment(boxBetween, {
        ...{ testbed, isQuick: true, connections: 70_000, requested: 2000, isSelected: true },
        ...{ messageRatePerSec: 200, engine: "auto" },
        progress: () => undefined,
        signal: new AbortController().signal,
      });
      expect(result).toMatchObject({
        verdict: "confirmed",
        prediction: expect.stringMatching(/^2,000 of 2,000 connections, /),
      });
      expect(result!.evidence[0]).toMatchObject({
        rows: expect.arrayContaining([
          ["ESTABLISHED", 2000],
          ["entries in the box's table", 2000],
          ["kernel sockets, server and client", 0],
          ["entries in tables of server and client", 0],
        ]),
      });
      const { make, remove } = reproduceHosts(testbed);
      const printed = await type([...make, ...result!.commands, ...remove]);
      expect(printed).toMatch(/^net\.netfilter\.nf_conntrack_count = 2000$/m);
      expect(printed).not.toMatch(/lab-(server|client|box)/);
    },
  );
});
