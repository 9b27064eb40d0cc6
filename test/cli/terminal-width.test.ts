// Tests every command in terminals of 40 to 120 columns: no line is too long, and lines written to a pipe are not
// wrapped.

import { readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { explained } from "../../src/diagnosis/explain.js";
import { columnsOf, fitText, widthOf } from "../../src/output/terminal/columns.js";
import type { Paint } from "../../src/output/terminal/paint.js";
import { connectSummary } from "../../src/output/text/connect-summary.js";
import { diagnosisText } from "../../src/output/text/diagnosis.js";
import { experimentText, labSummary, placeLine } from "../../src/output/text/lab.js";
import { pressureText } from "../../src/output/text/ports/pressure.js";
import type { LabResult } from "../../src/results/lab/lab.js";
import type { Pressure } from "../../src/results/sockets/pressure.js";
import { ownAddress } from "../support/address.js";
import { atOnce } from "../support/at-once.js";
import { startForeignServer } from "../support/peers.js";
import { runCli, startCli } from "../support/process.js";
import { connectResult } from "../support/results.js";
import { hasTerminal, linesOf, runInTerminal, startInTerminal } from "../support/terminal.js";

const WIDTHS = [40, 60, 80, 120];
const COMMANDS = ["serve", "connect", "ports", "doctor", "lab", "report", "demo", "exporter"];

const MISTAKES = [
  ["ports", "--state", "foo"],
  ["connect", "[2001:db8:85a3:1111:2222:8a2e:3370:7334]:65535", "-c", "5000000"],
  ["serve", ":1", ":2"],
  ["conect"],
  // The error for a missing network namespace would list those that other tests create meanwhile.
  ["report", "/usr/share/no-such-folder-of-a-long-name/run.json"],
];
const AT_ONCE = 3;

const errors = new Map<string, Promise<string>>();

/** Returns the error that a command prints into a pipe, which has no width. */
function errorOf(args: readonly string[]): Promise<string> {
  const line = args.join(" ");
  const printed = errors.get(line) ?? runCli(args).then(({ stderr }) => stderr);
  errors.set(line, printed);
  return printed;
}

function expectToFit(lines: readonly string[], columns: number): void {
  expect(lines.join("").trim()).not.toBe("");
  expect(lines.filter((line) => widthOf(line) > columns)).toEqual([]);
}

function paintOf(columns: number): Paint {
  return Object.assign((_: string, text: string) => text, { columns });
}

describe.skipIf(!hasTerminal()).each(WIDTHS)("in a terminal of %i columns", (columns) => {
  it("help fits", async () => {
    await atOnce(AT_ONCE, [["--help"], ...COMMANDS.map((command) => [command, "--help"])], async (args) => {
      const lines = await runInTerminal(columns, args);
      expectToFit(lines, columns);
      expect(lines.join("\n")).toContain("--help");
    });
  });

  it("errors fit, with the same words", async () => {
    await atOnce(AT_ONCE, MISTAKES, async (args) => {
      const lines = await runInTerminal(columns, args);
      expectToFit(lines, columns);
      expect(lines.join("").replace(/\s/g, "")).toBe((await errorOf(args)).replace(/\s/g, ""));
    });
  });

  it("ports fits, in every view", async () => {
    const server = await startForeignServer(undefined, "::1");
    const client = startCli(["connect", server.at, "-c", "50", "-T", "60s"]);
    const views = ["", "-lp", "--memory --process", "--map", "--list -p -m", "--pressure -p --fail-above 0"];
    await atOnce(AT_ONCE, views, async (view) => {
      const lines = await runInTerminal(columns, ["ports", server.at, ...view.split(" ").filter(Boolean)]);
      expectToFit(lines, columns);
      expect(lines.join("")).toContain("::1");
    });
    expectToFit(await runInTerminal(columns, ["ports"]), columns);
    await client.kill("SIGTERM");
  });

  it("a run fits, with its progress, its summary and its diagnosis", async () => {
    const server = startInTerminal(columns, ["serve", "[::1]:0", "--mode", "echo"]);
    onTestFinished(() => server.kill());
    const [, port] = await server.prints(/:(\d+)\r?\n/);
    const met = await runInTerminal(columns, ["connect", `[::1]:${port}`, "-c", "200", "-T", "300ms", "-m", "hello"]);
    expectToFit(met, columns);
    expect(met.join(" ")).toContain("target met");
    const nobody = `${ownAddress()}:1`;
    expectToFit(await runInTerminal(columns, ["connect", nobody, "-c", "50", "-T", "0"]), columns);
    server.child.kill("SIGTERM");
    const { stdout } = await server.exited();
    expectToFit(linesOf(stdout), columns);
    expect(stdout).toContain("stopped after");
  });

  it("doctor and its fixes fit", async () => {
    const all = [[], ["--all"], ["-c", "1m", "--fix"], ["-c", "100m", "--role", "server"]];
    await atOnce(AT_ONCE, all, async (args) => {
      expectToFit(await runInTerminal(columns, ["doctor", "--no-measure", ...args]), columns);
    });
  });

  it("the demo fits", async () => {
    const lines = await runInTerminal(columns, ["demo", "--connections", "300"]);
    expectToFit(lines, columns);
    expect(lines.join(" ")).toContain("ESTABLISHED");
  });
});

it.skipIf(!hasTerminal())("a terminal without a size shows the progress of a run, too", async () => {
  const server = startInTerminal(0, ["serve", "[::1]:0"], 0);
  await server.prints(/open 0 +accepted 0/);
  const port = /\[::1\]:(\d+)/.exec(server.stdout)![1]!;
  const client = startInTerminal(0, ["connect", `[::1]:${port}`, "-c", "20", "-T", "2s"], 0);
  await client.prints(/20 of 20/);
  expect((await client.exited()).code).toBe(0);
  await server.prints(/accepted 20/);
});

describe.each(WIDTHS)("at %i columns, large figures and long addresses", (columns) => {
  const fitting = (text: string) => expectToFit(fitText(text, columns).split("\n"), columns);
  const paint = paintOf(columns);

  it("a client's summary fits", () => {
    const result = connectResult({
      destinations: [
        "[2001:db8:85a3:1111:2222:8a2e:3370:7334]:65535",
        "[2001:db8:85a3:1111:2222:8a2e:3370:7335]:65535",
      ],
      requested: 12_345_678,
      established: 12_345_000,
      failed: 678,
      failures: [{ phase: "connect", errno: "EADDRNOTAVAIL", count: 678 }],
      plan: {
        tuplesAvailable: 123_456_789,
        tuplesSkipped: 1_234_567,
        sourceAddresses: 1234,
        sourcePorts: "1024-65535",
      },
    });
    const told = explained(result);
    fitting(connectSummary(told, paint));
    fitting(diagnosisText(told.diagnosis, paint));
  });

  it("pressure fits", () => {
    const ip = "2001:db8:85a3:1111:2222:8a2e:3370:7334";
    const row = {
      inUse: 1_028_000,
      timeWait: 9000,
      capacity: 28_231,
      left: 231,
      share: 0.992,
      isMarked: true,
    } as const;
    const pair = { ...row, sourceIp: ip, destinationIp: ip, destinationPort: 65_535 };
    const result: Pressure = {
      kind: "pressure",
      version: 1,
      takenAt: "2031-02-03T04:05:06.000Z",
      elapsedMs: 12,
      source: "sock_diag",
      fallbackErrno: undefined,
      wasInterrupted: false,
      portRange: { first: 32_768, last: 60_999 },
      reservedPorts: 1,
      listeningPorts: 1,
      kernelCapacity: 28_231,
      outgoing: 12_028_000,
      distinct: 1_000_000,
      marked: 1,
      rows: [
        {
          ...pair,
          outsideRange: 0,
          pool: "ip_local_port_range",
          owners: [{ pid: 4_194_304, command: "a-long-command", inUse: 5 }],
        },
      ],
      bound: [{ ...row, sourceIp: ip, bound: 1_000_000, destinations: 1_000_000 }],
      translated: {
        refusedErrno: undefined,
        distinct: 1,
        marked: 1,
        connections: 5,
        rows: [{ ...pair, ports: { first: 40_000, last: 40_099 }, rule: `snat to [${ip}]:40000-40099` }],
      },
    };
    fitting(pressureText(result, 10, paint));
  });

  it("the lab's summary fits", () => {
    const file = new URL("../output/fixtures/lab.json", import.meta.url);
    const lab: LabResult = JSON.parse(readFileSync(file, "utf8"));
    fitting(placeLine(lab.testbed));
    fitting(labSummary(lab, paint));
    for (const experiment of lab.experiments) fitting(experimentText(experiment, paint, columns));
  });
});

it("lines in a pipe are not wrapped, whatever COLUMNS says", async () => {
  expect(columnsOf({ columns: 40 })).toBeUndefined();
  const { stdout } = await runCli(["ports", "--help"], { env: { COLUMNS: "40" } });
  expect(Math.max(...stdout.split("\n").map(widthOf))).toBeGreaterThan(60);
});
