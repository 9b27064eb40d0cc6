// Tests the report's HTML without a browser: its content, that it loads nothing external, and that all text is escaped.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { explained } from "../../../src/diagnosis/explain.js";
import { rateOf } from "../../../src/lab/observe/timeline.js";
import { formatWithUnit, logDomain, logTicks, scaleAxis, singular } from "../../../src/output/html/chart/scale.js";
import { render as draw } from "../../../src/output/html/render.js";
import type { CeilingEvidence, Evidence } from "../../../src/results/lab/evidence.js";
import type { LabResult } from "../../../src/results/lab/lab.js";
import { parseResult, type ResultKind, type Results } from "../../../src/results/parse.js";
import { connectResult, serveResult } from "../../support/results.js";

const FIXTURE = JSON.parse(readFileSync(new URL("../fixtures/lab.json", import.meta.url), "utf8"));
const LAB: LabResult = parseResult(FIXTURE, ["lab"], "lab.json");
const render = (result: Results[ResultKind]) => draw(result.kind === "lab" ? result : explained(result));
const ids = (text: string) => [...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);

describe("a report", () => {
  it.each([
    ["a lab's", LAB],
    ["a run's", connectResult()],
    ["a server's", serveResult({ failures: [{ phase: "accept", errno: "EMFILE", count: 3 }] })],
  ])("%s loads nothing and needs no script", (_, result) => {
    const text = render(result);
    expect(text.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|<script|src=|@import|url\((?!#)/);
    expect(ids(text)).toEqual([...new Set(ids(text))]);
  });

  it("escapes all text", () => {
    const bad = `<img src=x onerror="alert('1')">&`;
    const [first, ...rest] = LAB.experiments;
    const experiment = { ...first!, title: bad, claim: bad, observed: bad, commands: [bad] };
    const evidence = rest.flatMap((each) => each.evidence.map((one) => ({ ...one, title: bad })));
    const text = render({ ...LAB, command: bad, experiments: [{ ...experiment, evidence }] });
    expect(text).not.toContain("<img");
    expect(text).toContain("&#60;img");
  });

  it("marks the round trips of unanswered messages as lower bounds, as its note says", () => {
    const latency = { count: 10, minUs: 900, meanUs: 2000, p50Us: 1000, p90Us: 4000, p99Us: 5000, p999Us: 5000 };
    const roundTrip = { ...latency, maxUs: 5000 };
    const messages = { expected: "echo", sent: 10, answered: 8, unanswered: 2, missed: 0, youngestUnansweredUs: 3000 };
    const run = connectResult({
      latency: { connect: roundTrip, firstByte: { ...roundTrip, count: 0 }, roundTrip },
      messages: { ...messages, bytes: 4, due: 10, late: 0, inFlight: 0, wrongBytes: 0, unsolicitedBytes: 0 } as never,
    });
    const rows = [...render(run).matchAll(/<th scope="row">(connect|round trip)<\/th>(.*?)<\/tr>/g)];
    const figures = rows.map(([, name, cells]) => [name, ...cells!.matchAll(/>([^<>]+)<\/td>/g)].map(String));
    expect(figures.map((row) => row.filter((cell) => cell.includes("≥")).length)).toEqual([0, 4]);
    expect(render(run)).toContain("(shown as ≥)");
  });

  it("counts the confirmed, refuted and skipped experiments", () => {
    expect(render(LAB)).toContain("<h1>5 of 7 experiments confirmed, 1 refuted, 1 skipped</h1>");
    const experiments = LAB.experiments.filter(({ verdict }) => verdict === "confirmed");
    expect(render({ ...LAB, experiments })).toContain("<h1>5 experiments, all confirmed</h1>");
  });

  it("of a lab that was stopped, or in which something failed, does not claim that everything is confirmed", () => {
    const [first] = LAB.experiments;
    const headline = (some: Partial<LabResult>) => /<h1>(.*)<\/h1>/.exec(render({ ...LAB, ...some }))![1];
    expect(headline({ experiments: [] })).toBe("No experiment ran");
    expect(headline({ experiments: [], stoppedIn: "E1" })).toBe("No experiment ran, stopped in E1");
    expect(headline({ experiments: [first!], stoppedIn: "E2" })).toBe("1 experiment, confirmed, stopped in E2");
    const failed = { ...first!, verdict: "failed" as const, reason: "serve stopped early" };
    expect(headline({ experiments: [failed] })).toBe("0 of 1 experiment confirmed, 1 failed");
    expect(render({ ...LAB, experiments: [failed] })).toContain("<dt>Why</dt><dd>serve stopped early</dd>");
  });

  it("has the commands to run it again, and the host", () => {
    const text = withoutSpans(render(LAB));
    for (const { commands } of LAB.experiments) {
      for (const command of commands) expect(text).toContain(command.replaceAll("'", "&#39;"));
    }
    expect(text).toContain("Linux 6.12.0, x64");
    expect(text).toContain("24.0 GiB");
  });

  it("shows how to create the two hosts by hand, with links from each experiment's commands", () => {
    const reproduce = { make: ["ip netns add <one>", "ip link add"], remove: ["ip netns delete one"] };
    const text = withoutSpans(render({ ...LAB, reproduce }));
    expect(text).toContain("<pre>ip netns add &#60;one&#62;\nip link add\n</pre>");
    expect(text).toContain("<pre>ip netns delete one\n</pre>");
    expect(text.match(/<h3>Reproduce in <a href="#by-hand">/g)).toHaveLength(
      LAB.experiments.filter(({ commands }) => commands.length > 0).length,
    );
    expect(ids(text)).toContain("by-hand");
    expect(render({ ...LAB, reproduce: undefined })).not.toContain("by-hand");
  });

  it("of a client's run has the command line, or a reconstruction", () => {
    const command = "fourtuple connect 10.0.0.1:7777 -m 'a b' --json";
    const text = withoutSpans(render(connectResult({ command })));
    expect(text).toContain("<pre>fourtuple connect 10.0.0.1:7777 -m &#39;a b&#39; --json &#62; run.json\n");
    expect(text).not.toContain("Reconstructed from the result");
    expect(render(connectResult())).toContain("Reconstructed from the result");
  });

  it("of a missed target names the limit", () => {
    const failures = [{ phase: "connect" as const, errno: "ECONNREFUSED", count: 400 }];
    const evidence = { peer: { listeners: [], process: undefined } };
    const text = render(connectResult({ failures, evidence }));
    expect(text).toContain("<h1>600 of 1,000 connections</h1>");
    expect(text).toMatch(/What (may have )?stopped it/);
    expect(text).toContain("ECONNREFUSED");
  });

  it("of one connection, of none, and of a short ramp shows what is available", () => {
    const at = (elapsedMs: number, open: number) => ({ elapsedMs, open, established: open, failed: 0 });
    const one = { requested: 1, established: 1, isTargetMet: true, samples: [at(0, 0), at(50, 1), at(900, 1)] };
    const text = render(connectResult(one));
    expect(text).toContain("<h1>1 connection opened</h1>");
    expect(text).toContain("Connections over time</figcaption>");
    expect(text).not.toContain("Rate over time</figcaption>");
    const none = {
      established: 0,
      kernel: { source: "sock_diag", outgoing: 0, incoming: 0 },
      samples: [at(0, 0), at(50, 0)],
    };
    expect(render(connectResult(none))).toContain("no ESTABLISHED connection (sock_diag)");
  });

  it("of a fleet has figures that agree: an agent may start before the agreed time", () => {
    const agent = (name: string, startMs: number) => ({
      ...{ name, startMs, state: "ended", requested: 500, ceiling: 1_170_753, established: 500, failed: 0, lost: 0 },
      ...{ cores: 2, version: "0.1.0", roundTripMs: 1, failures: [] },
    });
    const agents = [agent("load-1", -1), agent("load-2", 3)];
    const fleet = { run: "5f3a9c01", agents, startSkewMs: 4, isPartial: false, missing: 0 } as never;
    const text = render(connectResult({ fleet, isTargetMet: true, established: 1000 }));
    expect(text).toContain("They started 4 ms apart");
    expect(text).toContain("An agent&#39;s ceiling is how many of these connections it could hold");
    const [load1, load2] = [...text.matchAll(/<tr><td data-label="agent">.*?<\/tr>/g)].map(([row]) => row!);
    expect([load1, load2].map((row) => />([+-]\d+ ms)</.exec(row!)?.[1])).toEqual(["-1 ms", "+3 ms"]);
    // Figures are aligned to the right, names are not.
    expect(load1).toMatch(/data-label="ceiling" class="number">1,170,753</);
    expect(load1).toMatch(/data-label="state">ended</);
  });

  it("of a run without samples omits the charts over time", () => {
    expect(render(connectResult())).not.toContain("over time</figcaption>");
  });

  it("has a row for every limit: those with a number, the binding one, and those without", () => {
    const limits = [
      { name: "none", allows: 0, binds: true },
      { name: "some", allows: 1000, binds: false },
    ];
    const unnumbered = [
      { name: "endless", allows: "unlimited" as const, caps: "held" as const },
      { name: "hidden", allows: "unknown" as const, caps: "held" as const },
      { name: "backlog", allows: "other" as const, caps: "rate" as const },
    ];
    const drawn = (evidence: CeilingEvidence) =>
      render({ ...LAB, experiments: [{ ...LAB.experiments[0]!, evidence: [evidence] }] });
    const text = drawn({ kind: "ceiling", title: "c", wanted: 10, limits, unnumbered });
    expect(text).toContain("none (binding)");
    for (const shown of ["some", "endless", "unlimited", "hidden", "unknown"])
      expect(text).toContain(`>${shown}</text>`);
    expect(text).toContain("hidden: unknown; endless: unlimited.");
    expect(text).toContain("Limits on other quantities: backlog (rate).");
    expect(text).not.toMatch(/NaN|Infinity/);
    // The axis does not end at the wanted number, 10, although one limit allows 0.
    expect(text).toMatch(/tick label[^>]*><text[^>]*>1</);
    const tied = drawn({
      kind: "ceiling",
      title: "c",
      wanted: 0,
      limits: [{ ...limits[1]!, allows: 0 }, limits[0]!],
      unnumbered,
    });
    expect(tied).not.toMatch(/NaN|Infinity/);
    const unbound = drawn({ kind: "ceiling", title: "c", wanted: 10, limits: [], unnumbered });
    expect(unbound).toContain("<li>endless: unlimited</li>");
  });

  it("stacks the parts of a bar, with its total and a description", () => {
    const evidence: Evidence = {
      kind: "stack",
      title: "s",
      x: { name: "memory", unit: "KiB" },
      parts: ["kernel", "client"],
      rows: [
        { name: "TCP", values: [8, 0] },
        { name: "TLS", values: [8, 24] },
      ],
    };
    const text = render({ ...LAB, experiments: [{ ...LAB.experiments[0]!, evidence: [evidence] }] });
    const [wide] = /<svg class="chart"[\s\S]*?<\/svg>/.exec(text)!;
    const bars = [...wide.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g)].map((each) =>
      each.slice(1).map(Number),
    );
    const [tcp, tls, client] = bars as [number[], number[], number[]];
    // A part of size 0 has no bar; parts are in proportion, and the second begins where the first ends.
    expect(bars).toHaveLength(3);
    expect(tcp[2]).toBeCloseTo(tls[2]!, 1);
    expect(client[2]).toBeCloseTo(3 * tls[2]!, 0);
    expect(client[0]).toBeCloseTo(tls[0]! + tls[2]!, 1);
    expect(client[1]).toBe(tls[1]);
    for (const shown of ["TCP", "8.00 KiB", "TLS", "32.0 KiB"]) expect(wide).toContain(`>${shown}</text>`);
    expect(wide).toContain("TCP: kernel 8.00 KiB, client 0 B; TLS: kernel 8.00 KiB, client 24.0 KiB.");
    expect(text).toContain('<i class="key box c2"></i>client');
  });

  it("draws more points than a call can have arguments", () => {
    const samples = Array.from({ length: 200_000 }, (_, at) => ({
      elapsedMs: at,
      open: at,
      established: at,
      failed: 0,
    }));
    expect(render(connectResult({ samples }))).toContain("maximum 199,999");
  });

  it("has no forbidden characters, in text or in charts", () => {
    const names = { name: "a\u0000b\u0007c", unit: "" };
    const lines = [{ name: "line", points: [[0, 1] as const, [1, 2] as const] }];
    const evidence = [{ kind: "series" as const, title: "t\u0001", x: names, y: names, lines }];
    const text = render({ ...LAB, experiments: [{ ...LAB.experiments[0]!, observed: "\u0000", evidence }] });
    expect(text).toContain("a\ufffdb\ufffdc");
    expect(text.replace(/[\t\n\r]/g, "")).not.toMatch(/\p{Cc}/u);
  });

  it("handles empty evidence", () => {
    const axis = { name: "x", unit: "" };
    const evidence = [
      { kind: "series" as const, title: "s", x: axis, y: axis, lines: [] },
      { kind: "latency" as const, title: "l", rows: [] },
      { kind: "stack" as const, title: "k", x: axis, parts: ["a"], rows: [{ name: "r", values: [] }] },
      { kind: "stack" as const, title: "k", x: axis, parts: [], rows: [] },
      { kind: "ceiling" as const, title: "c", wanted: 0, limits: [], unnumbered: [] },
      { kind: "ports" as const, title: "p", fields: [] },
      { kind: "table" as const, title: "t", columns: ["a"], rows: [] },
      { kind: "fit" as const, title: "f", x: axis, y: axis, points: [], slope: 0, intercept: 0, slopeError: 0, r2: 0 },
    ];
    const text = render({ ...LAB, experiments: [{ ...LAB.experiments[0]!, evidence }] });
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });
});

/** Removes markup from command lines, as copying from the page does. */
function withoutSpans(text: string): string {
  return text.replace(/<\/?span[^>]*>/g, "");
}

describe("the rate over time", () => {
  it("is the number between two samples, from the first connection to the last", () => {
    const at = (elapsedMs: number, established: number) => ({ elapsedMs, open: established, established, failed: 0 });
    const samples = [at(0, 0), at(100, 0), at(200, 50), at(300, 150), at(400, 150), at(500, 150)];
    expect(rateOf(connectResult({ samples })).lines[0]!.points).toEqual([
      [100, 500],
      [200, 1000],
      [300, 1000],
    ]);
  });
});

describe("axes", () => {
  it("use larger units for large values", () => {
    expect(scaleAxis({ name: "memory", unit: "bytes" }, 5 * 1024 ** 2)).toEqual({
      divisor: 1024 ** 2,
      label: "memory (MiB)",
    });
    expect(scaleAxis({ name: "memory", unit: "KiB" }, 1_500_000)).toEqual({ divisor: 1024, label: "memory (MiB)" });
    expect(scaleAxis({ name: "time", unit: "ms" }, 900)).toEqual({ divisor: 1, label: "time (ms)" });
    expect(scaleAxis({ name: "time", unit: "ms" }, 9000)).toEqual({ divisor: 1000, label: "time (s)" });
    expect(scaleAxis({ name: "connections", unit: "" }, 9e9)).toEqual({ divisor: 1, label: "connections" });
  });

  it("on a log scale contain every value", () => {
    expect(logDomain([21, 5320])).toEqual([10, 10_000]);
    expect(logDomain([100, 100])).toEqual([100, 1000]);
    expect(logDomain([0])).toEqual([1, 10]);
    expect(logTicks([10, 100])).toEqual([10, 20, 50, 100]);
    expect(logTicks([1, 100_000])).toEqual([1, 10, 100, 1000, 10_000, 100_000]);
  });

  it("have figures with units", () => {
    expect(formatWithUnit(4213, "bytes")).toBe("4.11 KiB");
    expect(formatWithUnit(474_000, "KiB")).toBe("463 MiB");
    expect(formatWithUnit(0.031_234, "ms")).toBe("31.2 µs");
    expect(formatWithUnit(0.000_495, "ms")).toBe("0.495 µs");
    expect(formatWithUnit(1140, "ms")).toBe("1.14 s");
    expect([singular("connections"), singular("ms"), singular("CPU")]).toEqual(["connection", "ms", "CPU"]);
  });
});
