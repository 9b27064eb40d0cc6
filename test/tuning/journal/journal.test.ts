// Tests the journal: it is on disk before a change, can be read after any crash, and only its owner can access it.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { defaultJournalFile } from "../../../src/tuning/journal/location.js";
import { readJournal } from "../../../src/tuning/journal/reader.js";
import { Journal } from "../../../src/tuning/journal/writer.js";

function journalFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-journal-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "state/fourtuple/journal.jsonl");
}

describe("a journal", () => {
  it("keeps changes in order, with their outcomes", () => {
    const file = journalFile();
    {
      using journal = new Journal(file);
      journal.mark(journal.record("net.core.somaxconn", "128", "1024"), "done", "1024");
      journal.record("fs.nr_open", "1024", "2048");
    }
    const { entries, tornLines } = readJournal(file);
    expect(entries).toMatchObject([
      { name: "net.core.somaxconn", from: "128", to: "1024", mark: "done", value: "1024" },
      { name: "fs.nr_open", from: "1024", to: "2048", mark: undefined },
    ]);
    expect(tornLines).toBe(0);
    // Host-wide settings belong to no network namespace.
    expect(entries[0]!.netNamespace).toMatch(/^net:\[\d+\]$/);
    expect(entries[1]!.netNamespace).toBeUndefined();
    expect(entries[0]!.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(entries[0]!.id).not.toBe(entries[1]!.id);
  });

  it("is created with its directories, for its owner only", () => {
    const file = journalFile();
    new Journal(file)[Symbol.dispose]();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(file, "..")).mode & 0o777).toBe(0o700);
  });

  it("that a crash has cut short is read up to that point, and continues on a new line", () => {
    const file = journalFile();
    {
      using journal = new Journal(file);
      journal.record("net.core.somaxconn", "128", "1024");
    }
    const whole = readFileSync(file, "utf8");
    for (let length = 1; length < whole.length; length += 7) {
      writeFileSync(file, whole);
      appendFileSync(file, whole.slice(0, -1).slice(0, length));
      using journal = new Journal(file);
      journal.record("fs.nr_open", "1", "2");
      const { entries, tornLines } = readJournal(file);
      expect(entries.map(({ name }) => name)).toEqual(["net.core.somaxconn", "fs.nr_open"]);
      expect(tornLines).toBe(1);
    }
  });

  it("without a file is empty", () => {
    expect(readJournal(journalFile())).toEqual({ entries: [], tornLines: 0 });
  });

  it("accepts no change whose name is a path", () => {
    const file = journalFile();
    new Journal(file)[Symbol.dispose]();
    const line = { id: "1", time: "", name: "../../etc/passwd", from: "a", to: "b" };
    writeFileSync(file, `${JSON.stringify(line)}\n"text"\nnull\n${JSON.stringify({ id: "2", mark: "done" })}\n`);
    expect(readJournal(file)).toEqual({ entries: [], tornLines: 3 });
  });

  it("does not follow a symbolic link, and reports that it cannot be read", () => {
    const file = journalFile();
    new Journal(file)[Symbol.dispose]();
    symlinkSync(file, `${file}.link`);
    expect(() => new Journal(`${file}.link`)).toThrow(/ELOOP/);
    expect(() => readJournal(join(file, ".."))).toThrow(/cannot be read: EISDIR/);
  });

  it("is in /var/lib for root, and in their own state directory for others", () => {
    expect(defaultJournalFile({}, true)).toBe("/var/lib/fourtuple/journal.jsonl");
    expect(defaultJournalFile({ XDG_STATE_HOME: "/home/a/state" }, false)).toBe(
      "/home/a/state/fourtuple/journal.jsonl",
    );
    expect(defaultJournalFile({}, false)).toMatch(/\.local\/state\/fourtuple\/journal\.jsonl$/);
  });
});
