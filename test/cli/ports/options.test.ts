// Tests the options of `fourtuple ports` for scripts: names of ss, rows without a header, thresholds, metrics.
import { describe, expect, it } from "vitest";
import { connectForeign, startForeignServer } from "../../support/peers.js";
import { runCli } from "../../support/process.js";

async function connected(count = 1) {
  const server = await startForeignServer();
  for (let i = 0; i < count; i++) await connectForeign(server);
  return server;
}

describe("options of ss", () => {
  it.each([["-ltn"], ["-ltnp"], ["-a", "-l"], ["-tl"]])("%s lists listeners", async (...options) => {
    const { at } = await connected();
    const { code, stdout } = await runCli(["ports", at, ...options]);
    expect(stdout).toMatch(/listener +queue used/);
    expect(stdout).toContain(at);
    expect(stdout.includes(`${process.pid}`)).toBe(options[0] === "-ltnp");
    expect(code).toBe(0);
  });

  it.each(["--no-header", "-H"])("%s omits the header of --list", async (option) => {
    const { at } = await connected();
    const all = await runCli(["ports", at, "--list"]);
    const rows = await runCli(["ports", at, "--list", option]);
    expect(all.stdout.split("\n").slice(1).sort()).toEqual(rows.stdout.split("\n").sort());
    expect(rows.stdout).not.toContain("State");
  });

  it("--no-header without --list is rejected", async () => {
    const { code, stderr } = await runCli(["ports", "--no-header"]);
    expect(stderr).toMatch(/--no-header requires --list\n {2}fix: add --list/);
    expect(code).toBe(2);
  });
});

describe("--state", () => {
  it("accepts the state groups of ss", async () => {
    const { at } = await connected();
    const states = async (name: string) => {
      const { stdout } = await runCli(["ports", at, "--list", "-H", "--state", name]);
      return [
        ...new Set(
          stdout
            .trimEnd()
            .split("\n")
            .map((line) => line.split(" ")[0]),
        ),
      ].sort();
    };
    expect(await states("all")).toEqual(["ESTABLISHED", "LISTEN"]);
    expect(await states("connected")).toEqual(["ESTABLISHED"]);
    expect(await states("synchronized")).toEqual(["ESTABLISHED"]);
    expect(await states("big")).toEqual(["ESTABLISHED", "LISTEN"]);
    expect((await runCli(["ports", at, "--list", "--state", "bucket"])).code).toBe(1);
  });

  it.each([
    ["estabished", "ESTABLISHED"],
    ["time_wiat", "TIME_WAIT"],
    ["conected", "connected"],
    ["syncronized", "synchronized"],
    ["fin", "FIN_WAIT1"],
    ["timewait2", "TIME_WAIT"],
  ])("%s means %s", async (wrong, right) => {
    const { code, stderr } = await runCli(["ports", "--state", wrong]);
    expect(stderr).toContain(`did you mean ${right}?`);
    expect(code).toBe(2);
  });

  it.each(["foo", "x", "?", "running"])("%s is rejected with the list of states, none is guessed", async (wrong) => {
    const { code, stderr } = await runCli(["ports", "--state", wrong]);
    expect(stderr).not.toContain("did you mean");
    expect(stderr).toMatch(
      /the states are ESTABLISHED, .*CLOSING; the groups are all, connected, synchronized, bucket, big/,
    );
    expect(code).toBe(2);
  });
});

describe("--pressure", () => {
  it("names the owners of the ports with --process", async () => {
    const { at, ip, port } = await connected(3);
    const { code, stdout } = await runCli(["ports", at, "--pressure", "--process"]);
    expect(stdout).toMatch(new RegExp(`→ ${at} +3 .* \\S+ \\(${process.pid}\\)`));
    expect(code).toBe(0);
    const json = JSON.parse((await runCli(["ports", at, "--pressure", "-p", "--json"])).stdout);
    expect(json.rows).toMatchObject([
      { destinationIp: ip, destinationPort: port, owners: [{ pid: process.pid, inUse: 3 }] },
    ]);
  });

  it.each([[], ["--json"], ["--metrics"]])("--fail-above sets the exit code %s", async (...more) => {
    const { at } = await connected(3);
    // Three of 28,232 ports are 0.01%.
    const above = await runCli(["ports", at, "--pressure", "--fail-above", "0.001", ...more]);
    expect(above.stderr).toMatch(new RegExp(`^above 0\\.0%: .* → ${at} at 0\\.0%\n$`));
    expect(above.code).toBe(1);
    const below = await runCli(["ports", at, "--pressure", "--fail-above", "80%", ...more]);
    expect(below).toMatchObject({ code: 0, stderr: "" });
  });

  it.each<[string, string[], RegExp]>([
    [
      "a value that is not a percentage",
      ["--pressure", "--fail-above", "high"],
      /--fail-above "high" is not valid\n {2}fix: /,
    ],
    ["more than 100%", ["--pressure", "--fail-above", "101"], /--fail-above "101" is not valid\n {2}fix: /],
    ["a threshold without --pressure", ["--fail-above", "80"], /--fail-above requires --pressure\n {2}fix: /],
    ["metrics with --json", ["--metrics", "--json"], /cannot be used with option/],
  ])("rejects %s", async (_, args, pattern) => {
    const { code, stderr } = await runCli(["ports", ...args]);
    expect(stderr).toMatch(pattern);
    expect(code).toBe(2);
  });
});

describe("--metrics", () => {
  it("is OpenMetrics text: each sample has a type, counters end in _total, the end is marked", async () => {
    const { ip, port } = await connected(2);
    const { code, stdout } = await runCli(["ports", "--pressure", "--metrics", "--top", "1000"]);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.at(-1)).toBe("# EOF");
    const types = new Map<string, string>();
    for (const line of lines.slice(0, -1)) {
      const [, name, type] = /^# TYPE (\S+) (gauge|counter)$/.exec(line) ?? [];
      if (name) {
        expect(types.has(name)).toBe(false);
        types.set(name, type!);
      } else if (!line.startsWith("# ")) {
        const sample = /^([a-z_]+)(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+$/.exec(line);
        expect(sample, line).not.toBeNull();
        const family = sample![1]!.replace(/_total$/, "");
        expect(types.get(family), line).toBe(sample![1]!.endsWith("_total") ? "counter" : "gauge");
      }
    }
    expect(stdout).toContain(`destination="${ip}",destination_port="${port}"} 2\n`);
    expect(stdout).toMatch(
      new RegExp(`^fourtuple_accept_queue_capacity\\{listener="${ip}",port="${port}"\\} \\d+$`, "m"),
    );
    expect(stdout).toMatch(
      new RegExp(`^fourtuple_accept_queue_drops_total\\{listener="${ip}",port="${port}"\\} 0$`, "m"),
    );
  });

  it("sums up the rows beyond --top", async () => {
    const servers = await Promise.all([connected(3), connected(2), connected(1)]);
    const peers = servers.map(({ ip }) => ip).join(",");
    const { stdout } = await runCli(["ports", "--metrics", "--top", "1", "--peer", peers]);
    const inUse = stdout.split("\n").filter((line) => line.startsWith("fourtuple_source_ports_in_use{"));
    expect(inUse).toHaveLength(2);
    expect(inUse[0]).toMatch(/destination_port="\d+"\} 3$/);
    expect(inUse[1]).toBe(
      'fourtuple_source_ports_in_use{source="other",destination="other",destination_port="other"} 3',
    );
  });
});
