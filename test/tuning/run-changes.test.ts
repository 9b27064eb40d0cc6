// Tests changes that last as long as a run, against a fake kernel: they are reverted at its end, by the next run after
// it was killed, or by --undo, and shared with other runs that need them.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { EACCES } from "../../src/linux/syscalls/errno.js";
import type { NeededSetting } from "../../src/planning/packet/network.js";
import type { Settings } from "../../src/tuning/apply.js";
import { Journal } from "../../src/tuning/journal/writer.js";
import { RunChanges, undoLeftovers } from "../../src/tuning/run-changes.js";
import { isSetting, isValueOf } from "../../src/tuning/settings.js";
import { undoChanges } from "../../src/tuning/undo.js";

const FORWARDING = "net.ipv4.conf.eth0/100.forwarding";
const DELAY = "net.ipv4.neigh.eth0/100.proxy_delay";
const NEEDED: NeededSetting[] = [
  { name: FORWARDING, from: "0", to: "1", why: "forwarding" },
  { name: DELAY, from: "80", to: "0", why: "answer-at-once" },
];
const BEFORE = { [FORWARDING]: "0", [DELAY]: "80" };

let file: string;
let values: Map<string, string>;
let kernel: Settings;
const now = () => Object.fromEntries(values);

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-run-changes-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  file = join(folder, "journal.jsonl");
  values = new Map(Object.entries(BEFORE));
  kernel = {
    read: (name) => values.get(name),
    probe: () => 0,
    write: (name, value) => {
      values.set(name, value);
      return 0;
    },
  };
});

/** Starts a process that stands for another run. */
function another(): ChildProcess {
  const child = spawn("sleep", ["60"]);
  onTestFinished(() => void child.kill());
  return child;
}

/** Makes the changes in the name of another process. */
function changeAs({ pid }: ChildProcess): void {
  const earlier = readJournal().length;
  new RunChanges(file, kernel).make(NEEDED);
  const lines = readJournal().map((line, at) => {
    const startTicks = Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[21]);
    const isNew = at >= earlier && line.owner !== undefined;
    return isNew ? { ...line, owner: { ...line.owner, pid, startTicks } } : line;
  });
  rmSync(file);
  appendFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""), { mode: 0o600 });
}

function readJournal() {
  try {
    return readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

const statuses = (outcomes: readonly { name: string; status: string }[]) =>
  Object.fromEntries(outcomes.map(({ name, status }) => [name, status]));
const both = (status: string) => ({ [FORWARDING]: status, [DELAY]: status });

it("are made and reverted once, and nothing is left to undo", () => {
  const changes = new RunChanges(file, kernel);
  changes.make(NEEDED);
  expect(now()).toEqual({ [FORWARDING]: "1", [DELAY]: "0" });
  expect(changes.undo()).toEqual([]);
  expect(now()).toEqual(BEFORE);
  values.set(FORWARDING, "1");
  expect(changes.undo()).toEqual([]);
  expect(undoChanges(file, kernel).outcomes).toEqual([]);
  expect(values.get(FORWARDING)).toBe("1");
});

it("are reverted if one of them cannot be made", () => {
  const refusing = {
    ...kernel,
    write: (name: string, value: string) => (value === "0" && name === DELAY ? -EACCES : kernel.write(name, value)),
  };
  expect(() => new RunChanges(file, refusing).make(NEEDED)).toThrow(
    expect.objectContaining({ code: "E_PERMISSION", message: expect.stringContaining(`cannot set ${DELAY} to 0`) }),
  );
  expect(now()).toEqual(BEFORE);
});

it.each([
  ["removed", () => rmSync(file)],
  ["writable by others", () => chmodSync(file, 0o666)],
])("are reverted even if the journal has been %s", (_, spoil) => {
  const changes = new RunChanges(file, kernel);
  changes.make(NEEDED);
  spoil();
  values.set(DELAY, "7");
  expect(statuses(changes.undo())).toEqual({ [DELAY]: "left-alone" });
  expect(values.get(FORWARDING)).toBe("0");
});

it("do not wait forever for a journal that another process keeps locked", () => {
  using first = new Journal(file);
  first.lock();
  using second = new Journal(file);
  expect(() => second.lock(0)).toThrow(
    expect.objectContaining({ code: "E_SYSTEM", message: expect.stringContaining("locked by another") }),
  );
});

/** Fills the fake kernel with IPv6 forwarding: writing the setting of all interfaces resets that of one. */
function ipv6Forwarding() {
  const [all, one] = ["net.ipv6.conf.all.forwarding", "net.ipv6.conf.eth1.forwarding"];
  values = new Map([
    [all, "0"],
    [one, "1"],
  ]);
  const write = (name: string, value: string) => {
    if (name === all) values.set(one, value);
    return kernel.write(name, value);
  };
  return { all, one, resetting: { ...kernel, write } };
}

it("are followed by settings that the kernel resets along with them", () => {
  const { all, one, resetting } = ipv6Forwarding();
  const changes = new RunChanges(file, resetting);
  changes.make([{ name: all, from: "0", to: "1", why: "forwarding" }], [one]);
  expect(changes.undo()).toEqual([]);
  expect(now()).toEqual({ [all]: "0", [one]: "1" });
});

it("of two runs are followed by these settings once both have ended", () => {
  const { all, one, resetting } = ipv6Forwarding();
  const needed: NeededSetting[] = [{ name: all, from: "0", to: "1", why: "forwarding" }];
  const [first, second] = [1, 2].map(() => new RunChanges(file, resetting)) as [RunChanges, RunChanges];
  first.make(needed, [one]);
  // The second run finds forwarding on, so it plans no resets of its own.
  second.make(needed);
  first.undo();
  expect(now()).toEqual({ [all]: "1", [one]: "1" });
  second.undo();
  expect(now()).toEqual({ [all]: "0", [one]: "1" });
});

it("do not make the journal grow for ever", () => {
  const changes = new RunChanges(file, kernel);
  changes.make(NEEDED);
  changes.undo();
  // One more mark of a change that was reverted.
  const mark = readFileSync(file, "utf8").trim().split("\n").at(-1)!;
  appendFileSync(file, `${mark}\n`.repeat(15_000));
  const second = new RunChanges(file, kernel);
  second.make(NEEDED);
  expect(statSync(file).size).toBeLessThan(10_000);
  expect(second.undo()).toEqual([]);
  expect(now()).toEqual(BEFORE);
});

it("are left alone while their run lasts, and reverted by the next one once it is gone", async () => {
  const run = another();
  changeAs(run);
  expect(undoLeftovers(file, kernel)).toEqual([]);
  expect(statuses(undoChanges(file, kernel).outcomes)).toEqual(both("left-alone"));
  expect(now()).not.toEqual(BEFORE);
  await kill(run);
  expect(statuses(undoLeftovers(file, kernel))).toEqual(both("restored"));
  expect([now(), undoLeftovers(file, kernel)]).toEqual([BEFORE, []]);
});

it("outlast the run that made them while another run needs them", async () => {
  const [first, second] = [another(), another()];
  changeAs(first);
  // The second run finds everything as it needs it.
  changeAs(second);
  await kill(first);
  expect(statuses(undoLeftovers(file, kernel))).toEqual(both("nothing-to-do"));
  expect(now()).not.toEqual(BEFORE);
  await kill(second);
  expect(statuses(undoChanges(file, kernel).outcomes)).toEqual(both("restored"));
  expect(now()).toEqual(BEFORE);
});

it("that another program has changed again stay as they are", () => {
  const changes = new RunChanges(file, kernel);
  changes.make(NEEDED);
  values.set(DELAY, "7");
  expect(statuses(changes.undo())).toEqual({ [DELAY]: "left-alone" });
  expect(now()).toEqual({ [FORWARDING]: "0", [DELAY]: "7" });
  expect(undoChanges(file, kernel).outcomes).toEqual([]);
});

it("outlast a run of the same process while another one needs them", () => {
  const [first, second] = [new RunChanges(file, kernel), new RunChanges(file, kernel)];
  first.make(NEEDED);
  second.make(NEEDED);
  first.undo();
  expect(now()).not.toEqual(BEFORE);
  second.undo();
  expect(now()).toEqual(BEFORE);
});

it("have nothing to revert once their interface is gone", () => {
  const changes = new RunChanges(file, kernel);
  changes.make(NEEDED);
  values.clear();
  expect(changes.undo()).toEqual([]);
  expect(undoChanges(file, kernel).outcomes).toEqual([]);
});

it("are left alone in another network namespace, even if it has the number of an earlier one", () => {
  new RunChanges(file, kernel).make(NEEDED);
  const journal = readFileSync(file, "utf8");
  rmSync(file);
  appendFileSync(
    file,
    journal.replaceAll(/"netCookie":"\d+"/g, '"netCookie":"99999"').replaceAll(/"pid":\d+/g, '"pid":4194303'),
    {
      mode: 0o600,
    },
  );
  expect(undoLeftovers(file, kernel)).toEqual([]);
  expect(statuses(undoChanges(file, kernel).outcomes)).toEqual(both("left-alone"));
  expect(now()).not.toEqual(BEFORE);
});

it.each([
  ["net.ipv4.conf.eth0.forwarding", "1", true],
  ["net.ipv6.conf.all.forwarding", "1", true],
  ["net.ipv4.conf.../../kernel/core_pattern.forwarding", "1", false],
  ["net.ipv4.conf.eth0.forwarding.x", "1", false],
  ["net.ipv4.conf.eth0.forwarding", "|sh", false],
  ["proxy 10.0.0.1-10.0.0.9 dev eth0", "present", true],
  ["proxy 10.0.0.1-10.255.0.9 dev eth0", "present", false],
  ["proxy 10.0.0.1-fd00::1 dev eth0", "present", false],
])("the journal's %s = %s is a setting of --apply: %s", (name, value, isOne) => {
  expect(isSetting(name) && isValueOf(name, value)).toBe(isOne);
});

it("a folder in place of the journal is refused with a fix", () => {
  expect(() => undoLeftovers(dirname(file), kernel)).toThrow(
    expect.objectContaining({ code: "E_SYSTEM", fix: expect.stringContaining("name a file") }),
  );
});
