// Tests the benchmark's runner at sizes too small for meaningful figures: which programs it runs, what it writes, how
// it ends.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { listProcessesWith } from "../support/lab.js";
import { ROOT } from "../support/library.js";
import { canMakeNamespaces } from "../support/namespace.js";
import { type Exit, hasProgram, start } from "../support/process.js";
import { hasUring } from "../support/ring.js";
import { until } from "../support/until.js";

const FEW = 200;
const DEADLINE_MS = 55_000;
const folder = mkdtempSync(join(tmpdir(), "fourtuple-bench-"));
afterAll(() => rmSync(folder, { recursive: true }));

const hasCompiler = hasProgram("cc");

function bench(args: string[], env: Record<string, string> = {}): Promise<Exit> {
  return start(process.execPath, ["bench/run.mjs", ...args, "--into", folder], { env }).exited(DEADLINE_MS);
}

// biome-ignore lint/suspicious/noExplicitAny: plain JSON, whose shape is what is asserted
function reportOf(workload: string): any {
  return JSON.parse(readFileSync(join(folder, `bench-${workload}.json`), "utf8"));
}

/** Creates an external tool: a script called by its path. */
function tool(name: string, script: string): string {
  const file = join(folder, name);
  writeFileSync(file, `#!${process.execPath}\n${script}`);
  chmodSync(file, 0o755);
  return file;
}

/** @param mark environment variable value that the run's processes have inherited */
async function untilNoneIsLeft(mark: string): Promise<void> {
  await until(
    "no process of the run",
    () => listProcessesWith("BENCH_TEST", mark),
    (pids) => pids.length === 0,
  );
}

describe("npm run bench", () => {
  it("runs contenders in turn, counts connections in the kernel, and saves all results", async () => {
    const contenders = [
      "--contender",
      "noop",
      "--contender",
      "fourtuple",
      "--contender",
      "tcpkali",
      "--contender",
      "fourtuple-file",
      "--contender",
      "nobody",
    ];
    const { code, stdout } = await bench(["W1", ...contenders, "--at-most", `${FEW}`, "--rounds", "2"], {
      TCPKALI: "",
      FOURTUPLE_FILE: "",
    });
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect(stdout).toContain("without tcpkali: TCPKALI is not set");
    expect(stdout).toContain("without fourtuple-file: FOURTUPLE_FILE is not set");
    expect(stdout).toContain("without nobody: W1 does not include this contender");

    const report = reportOf("W1");
    expect(report).toMatchObject({ kind: "bench", version: 2, workload: "W1", atMost: FEW });
    expect(report.machine).toMatchObject({
      kernel: expect.any(String),
      commit: expect.any(String),
      node: process.version,
    });
    expect(report.absent.map(({ name }: { name: string }) => name)).toEqual(["nobody", "tcpkali", "fourtuple-file"]);
    expect(
      report.rounds.map(({ contender, round }: { contender: string; round: number }) => [contender, round]),
    ).toEqual([
      ["noop", 1],
      ["fourtuple", 1],
      ["noop", 2],
      ["fourtuple", 2],
    ]);
    const [harness, ours] = report.rounds;
    expect(ours).toMatchObject({
      requested: FEW,
      established: FEW,
      failed: 0,
      lost: 0,
      socketsLeft: 0,
      timeWaitLeft: 0,
    });
    expect(ours.kernelEstablished.sockets).toBe(FEW);
    expect(harness.kernelEstablished.sockets).toBe(0);
    for (const side of ["client", "server"]) {
      expect(ours.cpuTimes[side]).toEqual({ user: expect.any(Number), system: expect.any(Number) });
      expect(ours.peakResidentBytes[side]).toBeGreaterThanOrEqual(ours.residentBytes[side]);
    }
    // Without a separate namespace, sockets of other programs come and go meanwhile.
    if (!stdout.includes("cannot create a network namespace"))
      expect(ours.socketsAtHold.inuse - ours.socketsBefore.inuse).toBeGreaterThanOrEqual(2 * FEW);
    expect(report.summary.fourtuple.metrics.ratePerSec).toMatchObject({ rounds: 2, median: expect.any(Number) });
    // The cost of the harness is not a contender's rate.
    expect(report.summary.fourtuple.ratios.ratePerSec).toEqual({});
    expect(new Set(report.measures.map(({ verdict }: { verdict: string }) => verdict))).toEqual(
      new Set(["not measured"]),
    );
  });

  it("compares our choice of source ports with the kernel's", async () => {
    const { code, stdout } = await bench([
      "W2",
      "--contender",
      "fourtuple",
      "--contender",
      "fourtuple-kernel-ports",
      "--at-most",
      `${FEW}`,
    ]);
    expect({ code, stdout }).toMatchObject({ code: 0 });
    const { measures } = reportOf("W2");
    expect(measures).toMatchObject([{ value: expect.any(Number), verdict: "not judged: fewer connections" }]);
  });

  it.skipIf(!hasCompiler)("runs a third-party tool, whose connections only the kernel reports", async () => {
    const TCPKALI = tool(
      "opens",
      `const { connect } = require("node:net");
       const args = process.argv;
       const [host, port] = args.at(-1).split(":");
       const open = () => connect(port, host).on("error", () => {});
       const sockets = Array.from({ length: args[args.indexOf("-c") + 1] }, open);
       process.once("SIGTERM", () => sockets.forEach((socket) => socket.resetAndDestroy()));`,
    );
    const { code, stdout } = await bench(["W1", "--contender", "tcpkali", "--at-most", `${FEW}`, "--rounds", "1"], {
      TCPKALI,
    });
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect(reportOf("W1").rounds[0]).toMatchObject({ established: FEW, kernelEstablished: { sockets: FEW } });
  });

  it.skipIf(!process.env.FOURTUPLE_FILE)("compares the single executable with the package's files", async () => {
    const contenders = ["--contender", "fourtuple-package", "--contender", "fourtuple-file"];
    const { code, stdout } = await bench(["W1", ...contenders, "--at-most", `${FEW}`, "--rounds", "1"]);
    expect({ code, stdout }).toMatchObject({ code: 0 });
    const { rounds, summary } = reportOf("W1");
    expect(rounds).toHaveLength(2);
    for (const round of rounds) {
      expect(round).toMatchObject({ established: FEW, failed: 0, lost: 0, kernelEstablished: { sockets: FEW } });
      expect(round).toMatchObject({ socketsLeft: 0, timeWaitLeft: 0 });
      // The ramp by the client's own clock, which excludes its start.
      expect(round.seconds + round.setupSeconds).toBeLessThan(round.outsideSeconds);
    }
    expect(summary["fourtuple-file"].ratios.ratePerSec["fourtuple-package"].median).toBeGreaterThan(0);
  });

  it.skipIf(!hasCompiler)("exits with 1 and the reason when a contender fails", async () => {
    const TCPKALI = tool("fails", "process.exit(3)");
    const { code, stdout } = await bench(["W1", "--contender", "tcpkali", "--at-most", `${FEW}`, "--rounds", "1"], {
      TCPKALI,
    });
    expect(code).toBe(1);
    expect(stdout).toContain("FAILED tcpkali, round 1: the tool ended (3)");
    expect(reportOf("W1")).toMatchObject({ summary: {}, rounds: [{ error: expect.stringContaining("(3)") }] });
  });

  it.skipIf(!hasCompiler)("measures whole processes: the socket table and start-up", async () => {
    const { code, stdout } = await bench(["W7", "W8", "W13", "--at-most", `${FEW}`, "--rounds", "1"]);
    expect({ code, stdout }).toMatchObject({ code: 0 });
    const counted = reportOf("W7").rounds.map((round: { counted: number }) => round.counted);
    // fourtuple's list has a header line.
    expect(counted).toEqual([FEW, FEW, 2 * FEW + 1, 2 * FEW]);
    expect(reportOf("W13").rounds.map((round: { counted: number }) => round.counted)).toEqual(Array(4).fill(2 * FEW));
    const started = reportOf("W8").summary;
    // CPU time: on a busy machine, even a no-op can take as long in wall-clock time.
    expect(started.fourtuple.metrics.cpuSeconds.median).toBeGreaterThan(started.noop.metrics.cpuSeconds.median);
    expect(started.fourtuple.ratios.seconds["node -e 0"].median).toBeGreaterThan(0);
  });

  it("runs messages and churn with at most the given number of connections", async () => {
    const contenders = ["--contender", "node", "--contender", "fourtuple"];
    const { code, stdout } = await bench(["W5", "W6", ...contenders, "--at-most", `${FEW}`, "--rounds", "1"]);
    expect({ code, stdout }).toMatchObject({ code: 0 });
    for (const name of ["W5", "W6"]) {
      const { rounds, measures } = reportOf(name);
      expect(rounds.map(({ contender }: { contender: string }) => contender)).toEqual(["node", "fourtuple"]);
      for (const round of rounds) {
        expect(round).toMatchObject({ requested: FEW, timeWaitLeft: 0 });
        expect(round.foreignCpuSeconds / round.outsideSeconds).toBeGreaterThanOrEqual(0);
      }
      expect(measures[0].verdict).toMatch(/^not (judged|measured)/);
    }
    for (const { fixed, trials } of reportOf("W5").rounds) {
      expect(fixed.socketsInUse).toBeGreaterThanOrEqual(2 * FEW);
      expect(fixed.answered).toBeGreaterThan(0);
      expect(trials).toHaveLength(2);
    }
    for (const { greeted } of reportOf("W6").rounds) expect(greeted).toBe(FEW);
  });

  it.skipIf(!hasCompiler || !hasUring)("has a baseline on io_uring, whose connections the kernel counts", async () => {
    const args = ["W1", "W5", "W6", "--contender", "c-uring", "--at-most", `${FEW}`, "--rounds", "1"];
    const { code, stdout } = await bench(args);
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect(reportOf("W1").rounds[0]).toMatchObject({ established: FEW, socketsLeft: 0, timeWaitLeft: 0 });
    expect(reportOf("W1").rounds[0].kernelEstablished.sockets).toBe(FEW);
    expect(reportOf("W5").rounds[0]).toMatchObject({ fixed: { unanswered: 0, lost: 0 }, timeWaitLeft: 0 });
    expect(reportOf("W5").rounds[0].fixed.answered).toBeGreaterThan(0);
    expect(reportOf("W6").rounds[0]).toMatchObject({ greeted: FEW, failed: 0, timeWaitLeft: 0 });
  });

  it.skipIf(!canMakeNamespaces())("opens connections without kernel sockets from another namespace", async () => {
    const readTableSize = () => readFileSync("/proc/sys/net/ipv4/tcp_child_ehash_entries", "utf8");
    const tableSize = readTableSize();
    const args = ["W14", "--contender", "fourtuple-packet", "--at-most", `${FEW}`, "--rounds", "1"];
    const { code, stdout } = await bench(args);
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect(readTableSize(), "this host's own setting").toBe(tableSize);
    const [round] = reportOf("W14").rounds;
    expect(round).toMatchObject({ established: FEW, kernelEstablished: { sockets: FEW }, socketsLeft: 0 });
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "on %s, stops everything it has started and starts nothing else",
    async (signal) => {
      const mark = `${signal}-${process.pid}`;
      const args = [
        "W6",
        "W1",
        "--contender",
        "fourtuple",
        "--at-most",
        `${FEW}`,
        "--rounds",
        "1000",
        "--into",
        folder,
      ];
      const run = start(process.execPath, ["bench/run.mjs", ...args], { env: { BENCH_TEST: mark } });
      await run.prints(/ round 1 /);
      run.child.kill(signal);
      const { code, stdout } = await run.exited();
      expect(code).toBe(128 + constants.signals[signal]);
      expect(stdout).not.toContain("W1:");
      await untilNoneIsLeft(mark);
    },
  );

  it("leaves nothing behind when killed", async () => {
    const mark = `SIGKILL-${process.pid}`;
    const args = ["W1", "--contender", "fourtuple", "--at-most", `${FEW}`, "--rounds", "1000", "--into", folder];
    const run = start(process.execPath, ["bench/run.mjs", ...args], { env: { BENCH_TEST: mark } });
    await run.prints(/ round 1 /);
    await run.kill("SIGKILL");
    await untilNoneIsLeft(mark);
  });

  it("exits with 2 if no workload could run, but not if only one could not", async () => {
    const contender = ["--contender", "node", "--at-most", `${FEW}`, "--rounds", "1"];
    expect((await bench(["W3", "W8", ...contender])).code).toBe(2);
    expect((await bench(["W3", "W6", ...contender])).code).toBe(0);
  });

  it("exits with 2 before the first round if the results cannot be written", async () => {
    const into = `${ROOT}package.json/below`;
    const run = start(process.execPath, ["bench/run.mjs", "W1", "--into", into]);
    const { code, stdout, stderr } = await run.exited();
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(`--into ${into}: ENOTDIR`);
  });

  it("draws the cost against the number of connections, for light and dark themes", async () => {
    const { code, stdout } = await bench(["scaling", "--contender", "fourtuple", "--at-most", "1000", "--rounds", "1"]);
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect(stdout).toContain("fourtuple@2m: excluded by --at-most");
    const svg = readFileSync(join(folder, "bench-scaling.svg"), "utf8");
    expect(svg).toContain("prefers-color-scheme:dark");
    for (const text of ["Time per connection", "CPU per connection", "memory per connection", "µs", "bytes", "1k"])
      expect(svg).toContain(text);
    // The floor had no round, so the legend must not name it.
    expect(svg).not.toContain("c-epoll</text>");
  });

  it.each([
    [[], "no workload given"],
    [["W99"], 'unknown workload: "W99"'],
    [["constructor"], 'unknown workload: "constructor"'],
    [["W1", "--rounds", "0"], "require a number of 1 or more"],
    [["W1", "--nonsense"], "nonsense"],
  ])("exits with 2 for %j", async (args, message) => {
    const { code, stderr } = await bench(args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).toContain("usage: npm run bench");
  });
});

describe("figures of several rounds", async () => {
  const { summarize } = await import(`${ROOT}bench/summary.mjs`);
  const { judge } = await import(`${ROOT}bench/measures.mjs`);
  const workload = {
    metrics: { rate: { label: "rate", of: ({ rate }: { rate: number }) => rate } },
    measures: [
      { title: "÷ floor", wanted: { atLeast: 2 }, of: { metric: "rate", against: "c-epoll" } },
      { title: "rate", wanted: { under: 30 }, of: { metric: "rate" } },
      { title: "elsewhere", wanted: { under: 30 }, of: { metric: "rate" }, obstacle: () => "not here" },
    ],
  };
  const contenders = [{ name: "c-epoll" }, { name: "fourtuple" }];
  const round = (contender: string, number: number, rate: number, error?: string) => ({
    contender,
    round: number,
    rate,
    error,
  });
  const summary = summarize(workload, contenders, [
    round("c-epoll", 1, 10),
    round("fourtuple", 1, 20),
    round("c-epoll", 2, 30),
    round("fourtuple", 2, 30),
    round("c-epoll", 3, 1, "failed"),
    round("fourtuple", 3, 90),
  ]);

  it("are medians of the successful rounds, and ratios within a round", () => {
    expect(summary["c-epoll"].metrics.rate).toEqual({ median: 20, min: 10, max: 30, rounds: 2 });
    expect(summary.fourtuple.ratios.rate["c-epoll"]).toEqual({ median: 1.5, min: 1, max: 2, rounds: 2 });
  });

  it("are compared with the targets", () => {
    const verdicts = (isSmaller: boolean, unfinished: string[] = []) =>
      judge(workload, summary, { machine: {}, isSmaller, unfinished: new Set(unfinished), failed: [] }).map(
        ({ verdict }: { verdict: string }) => verdict,
      );
    expect(verdicts(false)).toEqual(["missed", "missed", "not here"]);
    expect(verdicts(true)[0]).toBe("not judged: fewer connections");
    // An unfinished rival was faster than it would have been over the full run, so the ratio is only a lower bound.
    expect(verdicts(false, ["c-epoll"])[0]).toBe("not decided: c-epoll was stopped early");
  });

  it("are shown as ratios to the baseline and to C with io_uring", async () => {
    const { formatTable } = await import(`${ROOT}bench/table.mjs`);
    const three = [...contenders, { name: "c-uring" }];
    const rounds = [round("c-epoll", 1, 10), round("fourtuple", 1, 30), round("c-uring", 1, 20)];
    const compared = { rate: { ...workload.metrics.rate, isCompared: true } };
    const shown = { ...workload, name: "W0", title: "a try", metrics: compared, baseline: "c-epoll" };
    const text: string = formatTable(shown, three, summarize(shown, three, rounds));
    expect(text).toMatch(/^rate ÷ c-epoll's +3\.00 +2\.00$/m);
    expect(text).toMatch(/^rate ÷ c-uring's +0\.50 +1\.50$/m);
  });

  it("meet no target if rounds failed, because the successful ones may not be representative", () => {
    const easy = {
      ...workload,
      measures: [{ title: "÷ floor", wanted: { atLeast: 1 }, of: { metric: "rate", against: "c-epoll" } }],
    };
    const verdict = (...failed: string[]) =>
      judge(easy, summary, { machine: {}, isSmaller: false, unfinished: new Set(), failed })[0].verdict;
    expect(verdict()).toBe("met");
    expect(verdict("go")).toBe("met");
    expect(verdict("fourtuple")).toBe("not decided: 1 round failed");
    expect(verdict("c-epoll", "fourtuple")).toBe("not decided: 2 rounds failed");
  });
});
