// Tests that foreign text loses its escape codes before it is printed: all output goes through one module, and every
// text built from a result is safe.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { examine, predict } from "../../../src/capacity/predict.js";
import { explained } from "../../../src/diagnosis/explain.js";
import { connectPage } from "../../../src/output/html/connect-page.js";
import { labPage } from "../../../src/output/html/lab-page.js";
import { safeFor } from "../../../src/output/terminal/output.js";
import { plain } from "../../../src/output/terminal/paint.js";
import { connectSummary, singleFailure } from "../../../src/output/text/connect-summary.js";
import type { DemoEvidence } from "../../../src/output/text/demo.js";
import { demoVerdict } from "../../../src/output/text/demo.js";
import { diagnosisText } from "../../../src/output/text/diagnosis.js";
import { predictionText } from "../../../src/output/text/doctor.js";
import { applyText, fixText, undoText } from "../../../src/output/text/fix.js";
import { experimentText, labSummary, placeLine } from "../../../src/output/text/lab.js";
import { pressureText } from "../../../src/output/text/ports/pressure.js";
import { overviewText, portText } from "../../../src/output/text/ports/summary.js";
import { listenerTable, ownerLines } from "../../../src/output/text/ports/tables.js";
import { serveSummary } from "../../../src/output/text/serve.js";
import { parseResult } from "../../../src/results/parse.js";
import { pressure } from "../../../src/socket-table/ports/pressure.js";
import { socketTable } from "../../../src/socket-table/summary.js";
import { printableJson, visible } from "../../../src/util/printable.js";
import { connectForeign, startForeignServer } from "../../support/peers.js";
import { connectResult, serveResult } from "../../support/results.js";

const SOURCES = new URL("../../../src/", import.meta.url).pathname;
/**
 * A window title, a C1 code, a forged line, a bidi override, a zero-width space, a tag, a lone surrogate, a private-use
 * character.
 */
const HOSTILE = "\x1b]0;owned\x07\x9b31m\nFORGED\r\u2028\u202e\u200b\u{e0041}\ud800\uf8ff";
const UNPRINTABLE = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u;
const LAB = JSON.parse(readFileSync(new URL("../fixtures/lab.json", import.meta.url), "utf8"));

describe("only one module writes output", () => {
  // Exceptions: `ports --list` builds its rows from ASCII bytes; in-host-socket-table.ts is a child that answers its
  // parent; main.ts reports that nothing could be loaded.
  const DOORS = [
    "output/terminal/output.ts",
    "cli/main.ts",
    "cli/ports/list.ts",
    "lab/observe/in-host-socket-table.ts",
  ];
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

  it.each(files.filter((file) => !DOORS.includes(file)))("%s", (file) => {
    const source = readFileSync(join(SOURCES, file), "utf8");
    expect(source).not.toMatch(
      /process\.(stdout|stderr)\.write|console\.(log|error|warn|info)|writeSync\((1|2|STDOUT)/,
    );
  });
});

describe("output", () => {
  it("passes lines and our own colours to a terminal, and nothing else", () => {
    const painted = `\x1b[31mred\x1b[39m ${HOSTILE}\x1b[8m`;
    expect(safeFor(painted, { isTTY: true })).toBe("\x1b[31mred\x1b[39m ?]0;owned??31m\nFORGED????????[8m");
    expect(safeFor(painted, {})).not.toMatch(UNPRINTABLE);
  });

  it("prints JSON with the same value, but without characters that a terminal interprets", () => {
    const value = { [HOSTILE]: [HOSTILE, 1, null] };
    const text = printableJson(value);
    expect(JSON.parse(text)).toEqual(value);
    expect(text).not.toMatch(UNPRINTABLE);
    expect(text).not.toContain("\n");
  });

  it("shows received bytes with line ends escaped as in source code", () => {
    expect(visible("+OK\r\n\x1b[2J\u202e")).toBe("+OK\\r\\n\\x1b[2J\\u{202e}");
  });
});

type Path = readonly (string | number)[];

/** Returns the paths of all strings in a value. */
function textsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value === "string") return [path];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, field]) => textsOf(field, [...path, Array.isArray(value) ? +key : key]));
}

function withText<T>(value: T, path: Path, text: string): T {
  const copy = structuredClone(value);
  let at = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as typeof at;
  at[path.at(-1)!] = text;
  return copy;
}

/** Fields with a fixed set of values: a file with any other value is rejected before it is shown. */
const CHOSEN = /^(kind|verdict|whose|status|outcome|role|caps|allows|side|scope|phase|source|privilege)$/;

/** Puts escape codes and newlines into each string of `value` in turn. */
function expectSafe<T>(value: T, show: (value: T) => string): void {
  const paths = textsOf(value).filter((path) => !CHOSEN.test(String(path.at(-1))));
  expect(paths.length).toBeGreaterThan(0);
  const lines = show(value).split("\n").length;
  for (const path of paths) {
    const text = show(withText(value, path, HOSTILE));
    expect(text, path.join(".")).not.toMatch(UNPRINTABLE);
    expect(text, path.join(".")).not.toMatch(/^\s*FORGED/m);
    // A replaced character must not start a new line, but wrapping may differ.
    expect(Math.abs(text.split("\n").length - lines), path.join(".")).toBeLessThan(8);
  }
}

const failed = connectResult({ failures: [{ phase: "connect", errno: "ECONNREFUSED", count: 400 }] });
const told = explained(failed);
const owner = { command: "nginx", pid: 1, sockets: 3, listening: 1, established: 2, timeWait: 4, queuedBytes: 5 };
const change = {
  limitId: "somaxconn",
  kind: "sysctl" as const,
  name: "net.core.somaxconn",
  from: "128",
  to: "1024",
  why: "why",
  how: "how",
  pitfall: "pitfall",
  privilege: "CAP_NET_ADMIN" as const,
  systemd: "systemd",
  container: "container",
};
const plan = {
  kind: "fix" as const,
  version: 1 as const,
  connections: 1,
  isTargetMet: false,
  changes: [change],
  unknown: ["x"],
};
const made = { name: "net.core.somaxconn", from: "128", to: "1024", value: "1024", note: "note", time: "now" };

describe("text of a hostile result has no escape codes and no forged lines:", () => {
  it("connect's summary", () => expectSafe(told, (result) => connectSummary(result)));
  it("the diagnosis of connect", () => expectSafe(told.diagnosis, (it) => diagnosisText(it)));
  it("a single connection's failure", () => expectSafe(told, (result) => singleFailure(result)));
  it("serve's summary", () => {
    const failures = [{ phase: "accept" as const, errno: "EMFILE", count: 4 }];
    const kernel = { source: "sock_diag", sockets: 3 } as const;
    expectSafe(explained(serveResult({ failures, kernel, openAtStop: 3 })), (result) => serveSummary(result, 0));
  });
  it("the demo's verdict", () => {
    const tuple = { sourceIp: "127.0.0.2", sourcePort: 1, destinationIp: "127.0.0.1", destinationPort: 2 };
    const base = {
      wanted: 1,
      port: 7777,
      counted: 1,
      countedBy: "sock_diag",
      examples: [tuple],
      server: serveResult(),
    };
    for (const isTargetMet of [true, false]) {
      expectSafe<DemoEvidence>({ ...base, client: { ...told, isTargetMet } }, demoVerdict);
    }
  });
  it("a prediction by the doctor", async () => {
    const examined = await examine({ measure: false, connections: 100_000 });
    const prediction = JSON.parse(JSON.stringify(predict(examined)));
    expectSafe(prediction, (it) => predictionText(it, true));
  });
  it("fixes, applied and undone", () => {
    expectSafe(plan, (it) => fixText(it));
    const applied = { kind: "applied" as const, version: 1 as const, plan, journal: "/j" };
    expectSafe({ ...applied, outcomes: [{ ...made, status: "done" as const }] }, (it) => applyText(it));
    const undone = { kind: "undone" as const, version: 1 as const, journal: "/j", tornLines: 1, othersJournal: "/o" };
    for (const status of ["restored", "left-alone"] as const) {
      expectSafe({ ...undone, outcomes: [{ ...made, status }] }, (it) => undoText(it as never));
    }
  });
  it("the lab's summary", () => {
    const lab = parseResult(LAB, ["lab"], "lab.json");
    expectSafe(lab, labSummary);
    expectSafe(lab.testbed, placeLine);
    for (const columns of [40, 200]) {
      const [experiment] = lab.experiments.filter(({ evidence }) => evidence.some(({ kind }) => kind === "table"));
      const short = {
        ...experiment!,
        evidence: experiment!.evidence.filter(({ kind }) => kind === "table").slice(0, 1),
      };
      expectSafe(short, (it) => experimentText(it, plain, columns));
    }
  });
  it("the tables of ports", async () => {
    const server = await startForeignServer();
    await connectForeign(server);
    const local = await socketTable({ port: server.port });
    const target = { ip: "127.0.0.1", name: "127.0.0.1:1", port: "1" };
    const groups = [{ ...owner, group: "nginx.service", processes: 1 }];
    const owners = { owners: [owner], groups, notVisible: 1, kernelOwned: 1, unreadable: 1, isHiding: false };
    const extras = { top: 5, owners };
    expectSafe({ target, local, owners }, (it) =>
      portText(it.target, { local: it.local, remote: it.local }, { ...extras, owners: it.owners as never }),
    );
    expectSafe({ local, owners }, (it) => overviewText(it.local, { ...extras, owners: it.owners as never }));
    expectSafe(await pressure({ port: server.port }), (it) => pressureText(it, 5, plain));
    expectSafe(owner, (it) => ownerLines({ ...owners, owners: [it] } as never, 5, plain).join("\n"));
    expectSafe(groups[0], (it) => ownerLines({ ...owners, groups: [it] } as never, 5, plain).join("\n"));
    expectSafe({ command: "nginx", pid: 1 }, (it) => listenerTable(local.listeners, 5, plain, () => it).join("\n"));
  });
});

describe("a page of a hostile result", () => {
  const escaped = (text: string) => {
    expect(text).not.toMatch(/[^\P{C}\n\t\r]|[\p{Zl}\p{Zp}]/u);
    expect(text).toMatch(/<meta http-equiv="Content-Security-Policy" content="default-src 'none'; /);
    return text;
  };
  it("of connect contains none of it", () => {
    for (const path of textsOf(failed)
      .filter((at) => !CHOSEN.test(String(at.at(-1))))
      .slice(0, 12)) {
      escaped(connectPage(withText(told, path, `${HOSTILE}<script>alert(1)</script>`)));
    }
  });
  it("of the lab contains none of it", () => {
    const lab = parseResult(LAB, ["lab"], "lab.json");
    const hostile = structuredClone(lab) as typeof lab;
    for (const experiment of hostile.experiments) {
      for (const key of ["title", "claim", "setup", "prediction", "observed"] as const) {
        (experiment as unknown as Record<string, unknown>)[key] = `${HOSTILE}<script>`;
      }
      for (const evidence of experiment.evidence) (evidence as { title: string }).title = `${HOSTILE}<script>`;
    }
    expect(escaped(labPage(hostile))).not.toContain("<script>");
  });
});
