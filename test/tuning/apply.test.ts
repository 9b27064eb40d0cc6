// Tests --apply and --undo against a fake kernel that refuses, rounds or clamps values and that other programs change.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { EACCES, EINVAL, EROFS } from "../../src/linux/syscalls/errno.js";
import { applyPlan, type Settings } from "../../src/tuning/apply.js";
import type { Change, FixPlan } from "../../src/tuning/change.js";
import { readJournal } from "../../src/tuning/journal/reader.js";
import { undoChanges } from "../../src/tuning/undo.js";

const RANGE = "net.ipv4.ip_local_port_range";
const RESERVED = "net.ipv4.ip_local_reserved_ports";

class FakeKernel implements Settings {
  readonly values: Map<string, string>;
  readonly writes: string[] = [];
  /** Results of writes by setting: an errno, or the value that the kernel stores instead. */
  readonly answers = new Map<string, number | string>();
  readonly refusals = new Map<string, number>();

  constructor(values: Record<string, string>) {
    this.values = new Map(Object.entries(values));
  }

  read = (name: string) => this.values.get(name);
  probe = (name: string) => -(this.refusals.get(name) ?? 0);
  write = (name: string, value: string) => {
    this.writes.push(`${name}=${value}`);
    const answer = this.answers.get(name) ?? value;
    if (typeof answer === "number") return -answer;
    this.values.set(name, answer);
    return 0;
  };
}

function journalFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-apply-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "journal.jsonl");
}

function planOf(...changes: (Partial<Change> & Pick<Change, "name" | "from" | "to">)[]): FixPlan {
  const rest = { limitId: "x", kind: "sysctl", why: "", how: "", pitfall: "", privilege: "CAP_NET_ADMIN" } as const;
  return {
    kind: "fix",
    version: 1,
    connections: 1,
    isTargetMet: false,
    changes: changes.map((change) => ({ ...rest, ...change })),
    unknown: [],
  };
}

const reserve = { name: RESERVED, from: "8080", to: "8080,9000" };
const widen = { name: RANGE, from: "40000 40499", to: "1024 65535", requires: RESERVED };
const ports = () => new FakeKernel({ [RESERVED]: "8080", [RANGE]: "40000\t40499" });
const brief = (outcomes: readonly { name: string; status: string; note: string | undefined }[]) =>
  outcomes.map(({ name, status, note }) => [name, status, note]);

describe("--apply", () => {
  it("records each change before making it, in order, and undo reverts them in reverse order", () => {
    const file = journalFile();
    const kernel = ports();
    const seen: unknown[] = [];
    const watched: Settings = {
      ...kernel,
      write: (name, value) => {
        seen.push(readJournal(file).entries.map((entry) => [entry.name, entry.mark]));
        return kernel.write(name, value);
      },
    };
    expect(brief(applyPlan(planOf(reserve, widen), file, watched).outcomes)).toEqual([
      [RESERVED, "done", undefined],
      [RANGE, "done", undefined],
    ]);
    expect(seen).toEqual([
      [[RESERVED, undefined]],
      [
        [RESERVED, "done"],
        [RANGE, undefined],
      ],
    ]);
    expect(brief(undoChanges(file, kernel).outcomes)).toEqual([
      [RANGE, "restored", undefined],
      [RESERVED, "restored", undefined],
    ]);
    expect(kernel.writes.slice(2)).toEqual([`${RANGE}=40000 40499`, `${RESERVED}=8080`]);
    // A second undo has nothing left to do.
    expect(undoChanges(file, kernel).outcomes).toEqual([]);
  });

  it("does not widen the range if the listeners' ports could not be reserved", () => {
    const kernel = ports();
    kernel.refusals.set(RESERVED, EACCES);
    const file = journalFile();
    const { outcomes } = applyPlan(planOf(reserve, widen), file, kernel);
    expect(brief(outcomes)).toEqual([
      [RESERVED, "refused", expect.stringMatching(/CAP_NET_ADMIN/)],
      [RANGE, "failed", `not safe without ${RESERVED}`],
    ]);
    expect(kernel.writes).toEqual([]);
    expect(() => readFileSync(file)).toThrow(/ENOENT/);
  });

  it("says how to start a container if /proc/sys is read-only", () => {
    const kernel = ports();
    kernel.refusals.set(RESERVED, EROFS);
    const container = '--sysctl net.ipv4.ip_local_reserved_ports="8080,9000"';
    const { outcomes } = applyPlan(planOf({ ...reserve, container }), journalFile(), kernel);
    expect(outcomes).toMatchObject([
      { status: "refused", note: expect.stringMatching(/start the container with --sysctl/) },
    ]);
  });

  it.each([
    ["rounds up", "600", "done", "the kernel rounded the value up"],
    ["clamps", "500", "failed", "the kernel accepted a lower value"],
  ])("reports that the kernel %s, and undo knows its value", (_, value, status, note) => {
    const name = "net.netfilter.nf_conntrack_buckets";
    const kernel = new FakeKernel({ [name]: "100" });
    kernel.answers.set(name, value);
    const file = journalFile();
    expect(applyPlan(planOf({ name, from: "100", to: "513" }), file, kernel).outcomes).toMatchObject([
      { status, note, value },
    ]);
    kernel.answers.clear();
    expect(undoChanges(file, kernel).outcomes).toMatchObject([{ status: "restored", value: "100" }]);
  });

  it("treats a value that the kernel rejects as a failure of that change only, which is not undone", () => {
    const kernel = new FakeKernel({ "kernel.threads-max": "100", "fs.nr_open": "1024" });
    kernel.answers.set("kernel.threads-max", EINVAL);
    const file = journalFile();
    const plan = planOf(
      { name: "kernel.threads-max", from: "100", to: "200" },
      { name: "fs.nr_open", from: "1024", to: "2048" },
    );
    expect(brief(applyPlan(plan, file, kernel).outcomes)).toEqual([
      ["kernel.threads-max", "failed", "EINVAL, invalid argument"],
      ["fs.nr_open", "done", undefined],
    ]);
    expect(undoChanges(file, kernel).outcomes.map(({ name }) => name)).toEqual(["fs.nr_open"]);
  });

  it("changes nothing that has changed since it was planned, or cannot be read", () => {
    const kernel = new FakeKernel({ "fs.nr_open": "4096" });
    const plan = planOf({ name: "fs.nr_open", from: "1024", to: "2048" }, { name: "fs.file-max", from: "1", to: "2" });
    expect(brief(applyPlan(plan, journalFile(), kernel).outcomes)).toEqual([
      ["fs.nr_open", "failed", expect.stringMatching(/^changed by another program just now/)],
      ["fs.file-max", "failed", expect.stringMatching(/cannot be read/)],
    ]);
    expect(kernel.writes).toEqual([]);
  });

  it("changes nothing without a journal", () => {
    const kernel = ports();
    const { outcomes } = applyPlan(planOf(reserve, widen), "/proc/no/journal.jsonl", kernel);
    expect(outcomes[0]).toMatchObject({ note: expect.stringMatching(/the journal .* cannot be written: E/) });
    expect(outcomes.map(({ status }) => status)).not.toContain("done");
    expect(kernel.writes).toEqual([]);
  });

  it("leaves process limits and advice to the user", () => {
    const kernel = ports();
    const { outcomes } = applyPlan(
      planOf({ ...widen, kind: "rlimit" }, { ...reserve, kind: "advice" }),
      journalFile(),
      kernel,
    );
    expect([outcomes, kernel.writes]).toEqual([[], []]);
  });
});

describe("--undo", () => {
  const name = "net.core.somaxconn";
  function applied(from = "128", to = "1024") {
    const kernel = new FakeKernel({ [name]: from });
    const file = journalFile();
    applyPlan(planOf({ name, from, to }), file, kernel);
    return { kernel, file };
  }
  /** Overwrites fields in every entry of the journal. */
  function alter(file: string, different: object) {
    const lines = readFileSync(file, "utf8").trim().split("\n");
    const altered = lines.map((line) => JSON.stringify({ ...JSON.parse(line), ...different }));
    writeFileSync(file, `${altered.join("\n")}\n`);
  }

  it("leaves alone what another program has changed, every time", () => {
    const { kernel, file } = applied();
    kernel.values.set(name, "4096");
    for (let i = 0; i < 2; i++) {
      expect(undoChanges(file, kernel).outcomes).toMatchObject([
        { status: "left-alone", value: "4096", from: "128", note: expect.stringMatching(/changed by another program/) },
      ]);
    }
    expect(kernel.values.get(name)).toBe("4096");
  });

  it("keeps services' ports reserved as long as the wider range stays, whoever set it", () => {
    const kernel = ports();
    const file = journalFile();
    applyPlan(planOf(reserve, widen), file, kernel);
    kernel.values.set(RANGE, "30000 65535");
    for (let time = 0; time < 2; time++) {
      expect(undoChanges(file, kernel).outcomes).toMatchObject([
        { name: RANGE, status: "left-alone" },
        { name: RESERVED, status: "left-alone", value: "8080,9000", note: expect.stringMatching(/not safe until/) },
      ]);
    }
    kernel.values.set(RANGE, "40000 40499");
    expect(undoChanges(file, kernel).outcomes).toMatchObject([
      { name: RANGE, status: "nothing-to-do" },
      { name: RESERVED, status: "restored", value: "8080" },
    ]);
  });

  it("has nothing to do if another program has reverted the change", () => {
    const { kernel, file } = applied();
    kernel.values.set(name, "128");
    expect(brief(undoChanges(file, kernel).outcomes)).toEqual([[name, "nothing-to-do", undefined]]);
    expect(kernel.writes).toHaveLength(1);
  });

  it("reverts several changes of one setting", () => {
    const { kernel, file } = applied("128", "1024");
    applyPlan(planOf({ name, from: "1024", to: "4096" }), file, kernel);
    expect(undoChanges(file, kernel).outcomes.map(({ status, value }) => [status, value])).toEqual([
      ["restored", "1024"],
      ["restored", "128"],
    ]);
  });

  it("leaves another network namespace alone", () => {
    const { kernel, file } = applied();
    alter(file, { netNamespace: "net:[1]" });
    expect(brief(undoChanges(file, kernel).outcomes)).toEqual([
      [name, "left-alone", "made in another network namespace, net:[1]"],
    ]);
    expect(kernel.values.get(name)).toBe("1024");
  });

  it("has nothing to do after a reboot and says so once", () => {
    const { kernel, file } = applied();
    alter(file, { bootId: "00000000-0000-0000-0000-000000000000" });
    expect(brief(undoChanges(file, kernel).outcomes)).toEqual([
      [name, "nothing-to-do", expect.stringMatching(/last boot/)],
    ]);
    expect(kernel.values.get(name)).toBe("1024");
    expect(undoChanges(file, kernel).outcomes).toEqual([]);
  });

  it("leaves alone what was changed during an unknown boot, or cannot be read", () => {
    const { kernel, file } = applied();
    kernel.values.clear();
    expect(brief(undoChanges(file, kernel).outcomes)).toEqual([[name, "left-alone", "cannot be read"]]);
    alter(file, { bootId: undefined });
    expect(brief(undoChanges(file, kernel).outcomes)).toEqual([
      [name, "left-alone", expect.stringMatching(/unknown boot/)],
    ]);
  });

  it("reports a missing privilege, and can be retried", () => {
    const { kernel, file } = applied();
    kernel.answers.set(name, EACCES);
    expect(brief(undoChanges(file, kernel).outcomes)).toEqual([[name, "refused", "EACCES, permission denied"]]);
    kernel.answers.clear();
    expect(undoChanges(file, kernel).outcomes).toMatchObject([{ status: "restored" }]);
  });
});
