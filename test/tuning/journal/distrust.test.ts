// Tests that a journal is rejected if another user could have written it, and that no line in a journal can do what
// --apply would not do.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { readBootId, readNetNamespace } from "../../../src/linux/proc/identity.js";
import { undoText } from "../../../src/output/text/fix.js";
import { planChanges } from "../../../src/tuning/changes.js";
import { readLineByLine } from "../../../src/tuning/journal/reader.js";
import { Journal } from "../../../src/tuning/journal/writer.js";
import { isSetting, isValueOf } from "../../../src/tuning/settings.js";
import { undoChanges } from "../../../src/tuning/undo.js";
import { clientLoad, hostFacts, readerOf, settingsOf } from "../../support/doctor.js";
import { runCli } from "../../support/process.js";

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "fourtuple-distrust-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const entry = (different: object = {}) => ({
  id: "1",
  time: "2031-01-01T00:00:00.000Z",
  bootId: readBootId(),
  netNamespace: readNetNamespace(),
  name: "net.core.somaxconn",
  from: "128",
  to: "1024",
  ...different,
});

function journal(...lines: readonly unknown[]): string {
  const file = join(folder(), "journal.jsonl");
  const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  writeFileSync(file, `${text.join("\n")}\n`, { mode: 0o600 });
  return file;
}

/** Returns the file's name; the second argument only exists to be evaluated first. */
const spoilt = (file: string, _done: unknown): string => file;

/** Returns a fake kernel that records every write. */
function kernel(values: Record<string, string>) {
  const writes: string[] = [];
  const write = (name: string, value: string) => {
    writes.push(`${name}=${value}`);
    values[name] = value;
    return 0;
  };
  return { writes, settings: { read: (name: string) => values[name], probe: () => 0, write } };
}

describe("a journal is not trusted if", () => {
  const CASES: readonly (readonly [string, (file: string) => string, RegExp])[] = [
    ["others may write to it", (file) => spoilt(file, chmodSync(file, 0o602)), /others may write to it \(mode 0602\)/],
    [
      "its group may write to it",
      (file) => spoilt(file, chmodSync(file, 0o660)),
      /others may write to it \(mode 0660\)/,
    ],
    [
      "it is a hard link in a directory that others can write to",
      (file) => spoilt(file, [linkSync(file, `${file}.second`), chmodSync(join(file, ".."), 0o777)]),
      /it has a second hard link, and others can create files in/,
    ],
    ["it is a link", (file) => spoilt(`${file}.link`, symlinkSync(file, `${file}.link`)), /ELOOP|cannot be trusted/],
    [
      "it is a FIFO",
      (file) => spoilt(`${file}.fifo`, spawnSync("mkfifo", ["-m", "600", `${file}.fifo`])),
      /not a regular file/,
    ],
    ["it is a folder", (file) => spoilt(`${file}.d`, mkdirSync(`${file}.d`, 0o700)), /EISDIR|not a regular file/],
  ];
  const OF_ROOT: typeof CASES = [
    ["it is another user's", (file) => spoilt(file, chownSync(file, NOBODY, NOBODY)), /belongs to uid 65534/],
  ];
  it.each([...CASES, ...(isRoot ? OF_ROOT : [])])("%s", async (_, spoil, why) => {
    const file = spoil(journal(entry()));
    const { writes, settings } = kernel({ "net.core.somaxconn": "1024" });
    expect(() => undoChanges(file, settings)).toThrow(why);
    expect(writes).toEqual([]);
    const { code, stderr } = await runCli(["doctor", "--undo", "--journal", file]);
    expect(stderr).toMatch(/^Fatal error: the journal /);
    expect(code).toBe(1);
  });

  it.each(CASES.slice(0, 3))("--apply writes to none if %s", async (_, spoil) => {
    const file = spoil(journal(entry()));
    const before = statSync(file).size;
    expect(() => new Journal(file)).toThrow(/cannot be trusted/);
    const { code, stderr, stdout } = await runCli(["doctor", "--apply", "--no-measure", "--journal", file]);
    expect(stderr).toMatch(/^Fatal error: the journal .* cannot be trusted/);
    expect([code, stdout, statSync(file).size]).toEqual([1, "", before]);
  });

  it("but it is trusted in a sticky directory, and if its owner made a second link", () => {
    const file = journal(entry());
    chmodSync(join(file, ".."), 0o1777);
    linkSync(file, `${file}.second`);
    expect(readLineByLine(file).entries).toHaveLength(1);
  });
});

describe("a line that --apply cannot have written is skipped and reported", () => {
  const BAD: readonly (readonly [string, unknown, RegExp])[] = [
    ["an array as the name", entry({ name: ["net.core.somaxconn"] }), /^name: /],
    [
      "a setting that is never changed",
      entry({ name: "kernel.core_pattern", from: "|/tmp/x" }),
      /^name: not a setting/,
    ],
    ["a path as the name", entry({ name: "net.core/../../etc" }), /^name: /],
    ["a prototype's name", entry({ name: "constructor" }), /^name: /],
    ["a text as the value", entry({ from: "rm -rf" }), /not a valid value of that setting/],
    ["a surplus number", entry({ from: "1 2" }), /not a valid value of that setting/],
    ["a line break in the value", entry({ from: "128\n|x" }), /not a valid value of that setting/],
    ["an id that is not a text", entry({ id: 7 }), /^id: /],
    ["a text", `"text"`, /expected object/],
    ["null", "null", /expected object/],
    ["an unknown mark", { id: "1", mark: "owned" }, /^mark: /],
    ["a mark with a list as its value", { id: "1", mark: "done", value: ["1"] }, /^value: /],
  ];

  it.each(BAD)("%s", (_, line, reason) => {
    const file = journal(entry({ id: "0" }), line, entry({ id: "2", name: "fs.nr_open", from: "1024", to: "2048" }));
    const { writes, settings } = kernel({
      "net.core.somaxconn": "1024",
      "fs.nr_open": "2048",
      "kernel.core_pattern": "1024",
    });
    const report = undoChanges(file, settings);
    expect(report.outcomes.map(({ status }) => status)).toEqual(["restored", "restored"]);
    expect(report.badLines).toEqual([{ line: 2, reason: expect.stringMatching(reason) }]);
    expect(writes).toEqual(["fs.nr_open=1024", "net.core.somaxconn=128"]);
    expect(undoText(report)).toMatch(/2 of 2 changes reverted[\s\S]*1 line of .* was not written by --apply/);
    // The bad lines are reported only once.
    expect(undoChanges(file, settings)).toMatchObject({ outcomes: [], badLines: [] });
  });

  it("and every setting that a recipe can raise can be undone", () => {
    const poor = hostFacts({
      ...{ nofile: { soft: 64, hard: 1024 }, nrOpen: 1024, fileMax: 2000, filesOpen: 1000, epollWatches: 1000 },
      ...{
        threadsMax: 100,
        somaxconn: 16,
        synBacklog: 16,
        tcpMem: [10, 20, 30],
        portRange: { first: 40_000, last: 40_099 },
      },
      ...{ canUnshare: true, conntrack: { max: 1000, count: 0, buckets: 16 }, listeningPorts: [50_000] },
    });
    const load = clientLoad({ connections: 1_000_000 });
    const settings = settingsOf(poor);
    const { changes } = planChanges({ facts: poor, load, obstacle: undefined }, readerOf(settings));
    const made = changes.filter(({ kind }) => kind === "sysctl");
    expect(made.length).toBeGreaterThan(5);
    for (const { name, from = "", to = "" } of made) {
      expect([name, isSetting(name), isValueOf(name, from), isValueOf(name, to)]).toEqual([name, true, true, true]);
    }
    expect(isValueOf("net.ipv4.ip_local_reserved_ports", "")).toBe(true);
    expect(isValueOf("net.ipv4.ip_local_reserved_ports", "8080,9000-9010")).toBe(true);
    expect(isValueOf("net.ipv4.ip_local_reserved_ports", "80800")).toBe(false);
    expect(isValueOf("net.ipv4.ip_local_port_range", "1024\t65535")).toBe(true);
  });
});

describe("--undo with nothing to do", () => {
  it("fails if the named journal does not exist", async () => {
    const { code, stderr } = await runCli(["doctor", "--undo", "--journal", join(folder(), "none.jsonl")]);
    expect(stderr).toMatch(/^Fatal error: no journal found: .*none\.jsonl\n {2}fix: /);
    expect(code).toBe(2);
  });

  it("says so in its headline", async () => {
    const { settings } = kernel({ "net.core.somaxconn": "128" });
    const report = undoChanges(journal(entry()), settings);
    expect(report.outcomes).toMatchObject([{ status: "nothing-to-do" }]);
    expect(undoText(report)).toMatch(/^nothing to undo in /);
    const { code, stdout } = await runCli(["doctor", "--undo", "--journal", journal()]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^nothing to undo in /)]);
  });
});
