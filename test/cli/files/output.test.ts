// Tests the module that writes all files: it leaves a file complete or unchanged, never overwrites an input, and never
// loses a result.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ROOT } from "../../support/library.js";
import { canMakeNamespaces } from "../../support/namespace.js";
import { CLI_FILE, hasProgram, runCli, start } from "../../support/process.js";

const LAB = `${ROOT}test/output/fixtures/lab.json`;
const isRoot = process.getuid?.() === 0;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "fourtuple-save-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const report = (output: string, input = LAB) => runCli(["report", input, "-o", output]);

/** Mounts a file system of `size` on `at`, unmounted at the end of the test. */
function mountSmall(at: string, size: string): void {
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", at], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  onTestFinished(() => void spawnSync("umount", [at]));
}

describe("a page", () => {
  it.skipIf(!canMakeNamespaces())(
    "that does not fit on a full disk leaves the old one intact, and no temporary file",
    async () => {
      const disk = folder();
      mountSmall(disk, "4k");
      const page = join(disk, "lab.html");
      writeFileSync(page, "the good old page");
      const { code, stderr } = await report(page);
      expect(stderr).toMatch(
        /cannot be written: ENOSPC: no space left on device\n {2}fix: the disk is full: free space/,
      );
      expect([code, readFileSync(page, "utf8"), readdirSync(disk)]).toEqual([1, "the good old page", ["lab.html"]]);
    },
  );

  it("keeps the mode and owner of an existing file, and follows the umask for a new one", async () => {
    const page = join(folder(), "lab.html");
    writeFileSync(page, "older");
    chmodSync(page, 0o604);
    if (isRoot) chownSync(page, 1234, 4321);
    expect((await report(page)).code).toBe(0);
    const { mode, uid, gid, size } = statSync(page);
    expect([mode & 0o7777, size > 10_000]).toEqual([0o604, true]);
    if (isRoot) expect([uid, gid]).toEqual([1234, 4321]);
    const fresh = join(folder(), "lab.html");
    const masked = start("bash", ["-c", `umask 027; "$0" ${CLI_FILE} report ${LAB} -o ${fresh}`, process.execPath]);
    expect((await masked.exited()).code).toBe(0);
    expect(statSync(fresh).mode & 0o777).toBe(0o640);
  });

  it.each<[string, (input: string, at: string) => unknown]>([
    ["a hard link", (input, at) => linkSync(input, at)],
    ["a symbolic link", (input, at) => symlinkSync(input, at)],
    ["a link to a link", (input, at) => [symlinkSync(input, `${at}.1`), symlinkSync(`${at}.1`, at)]],
  ])("does not overwrite its input through %s", async (_, link) => {
    const at = folder();
    const input = join(at, "lab.json");
    writeFileSync(input, readFileSync(LAB));
    const output = join(at, "other.html");
    link(input, output);
    const before = readFileSync(input, "utf8");
    for (const file of [output, input, `${at}/./lab.json`]) {
      const { code, stderr } = await report(file, input);
      expect(stderr).toMatch(/is the result that is being read\n {2}fix: /);
      expect(code).toBe(2);
    }
    const shell = start("bash", ["-c", `"$0" ${CLI_FILE} report - -o ${output} < ${input}`, process.execPath]);
    expect((await shell.exited()).code).toBe(2);
    expect(readFileSync(input, "utf8")).toBe(before);
  });

  it("is written to the target of a dangling link, which stays in place", async () => {
    const at = folder();
    const link = join(at, "lab.html");
    symlinkSync("real.html", link);
    expect((await report(link)).code).toBe(0);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(statSync(join(at, "real.html")).size).toBeGreaterThan(10_000);
    expect(readdirSync(at)).toEqual(["lab.html", "real.html"]);
  });

  it("is written through a FIFO to its reader; without a reader, it fails at once", async () => {
    const fifo = join(folder(), "fifo");
    spawnSync("mkfifo", [fifo]);
    const { code, stderr } = await report(fifo);
    expect(stderr).toMatch(/cannot be written: ENXIO[\s\S]*fix: nothing reads from that FIFO/);
    expect(code).toBe(1);
    const reader = start("cat", [fifo]);
    // Opening a FIFO without a reader fails, so retry until there is one.
    for (;;) if ((await report(fifo)).code === 0) break;
    expect((await reader.exited()).stdout).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    expect(lstatSync(fifo).isFIFO()).toBe(true);
  });

  it("treats /dev/stdout like -, and /dev/null and descriptors as streams", async () => {
    for (const output of ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "-"]) {
      expect((await report(output)).stdout, output).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    }
    expect((await report("/dev/null")).code).toBe(0);
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
    const at = join(folder(), "log");
    const line = `{ echo before; "$0" ${CLI_FILE} report ${LAB} -o /dev/stdout; echo after; } >> ${at}`;
    expect((await start("bash", ["-c", line, process.execPath]).exited()).code).toBe(0);
    expect(readFileSync(at, "utf8")).toMatch(/^before\n<!doctype html>[\s\S]*<\/html>\nafter\n$/);
  });

  const REFUSED: readonly (readonly [string, (at: string) => string, RegExp])[] = [
    ["a folder", (at) => at, /EISDIR: is a directory\n {2}fix: this is a directory/],
    ["a folder to come", (at) => `${at}/new/`, /EISDIR/],
    ["no folder", (at) => `${at}/none/lab.html`, /ENOENT[^\n]*\n {2}fix: use an existing directory/],
    ["a file as a folder", () => `${LAB}/lab.html`, /ENOTDIR[^\n]*\n {2}fix: part of the path is not a directory/],
    ["a name too long", (at) => `${at}/${"x".repeat(300)}`, /ENAMETOOLONG[^\n]*\n {2}fix: use a shorter name/],
    [
      "links in a circle",
      (at) => [symlinkSync("b", `${at}/a`), symlinkSync("a", `${at}/b`), `${at}/a`][2]!,
      /ELOOP[^\n]*\n {2}fix: its symbolic/,
    ],
    ["/proc", () => "/proc/lab.html", /E\w+[^\n]*\n {2}fix: /],
    ["a full device", () => "/dev/full", /ENOSPC[^\n]*\n {2}fix: the disk is full/],
    ["a descriptor that is not open", () => "/dev/fd/99", /EBADF[^\n]*\n {2}fix: that descriptor/],
  ];
  it.each(REFUSED)("written to %s is rejected with a fix", async (_, output, said) => {
    const { code, stderr } = await report(output(folder()));
    expect(stderr).toMatch(/^Fatal error: .* cannot be written: /);
    expect(stderr).toMatch(said);
    expect(code).toBe(1);
  });

  it.skipIf(!isRoot || !hasProgram("setpriv"))(
    "is not written over another user's file or in another user's folder, except to a file of one's own",
    async () => {
      const at = folder();
      const page = join(at, "lab.html");
      writeFileSync(page, "older");
      chownSync(page, 65_534, 65_534);
      const as = (output: string) =>
        start(
          "setpriv",
          ["--reuid", "65534", "--clear-groups", process.execPath, CLI_FILE, "report", "-", "-o", output],
          {
            input: readFileSync(LAB, "utf8"),
          },
        ).exited();
      chmodSync(at, 0o755);
      // The folder is not writable, so the file itself is written.
      expect((await as(page)).code).toBe(0);
      expect(statSync(page).size).toBeGreaterThan(10_000);
      expect((await as(join(at, "new.html"))).stderr).toMatch(/EACCES[^\n]*\n {2}fix: use a directory that you can/);
      chmodSync(page, 0o444);
      chmodSync(at, 0o777);
      expect((await as(page)).stderr).toMatch(/EACCES/);
    },
  );
});

describe("the lab's page", () => {
  it("is not opened if the lab's options are invalid: no link, FIFO or folder is touched", async () => {
    const at = folder();
    symlinkSync("gone.html", join(at, "link.html"));
    spawnSync("mkfifo", [join(at, "fifo")]);
    mkdirSync(join(at, "folder"));
    for (const name of ["link.html", "fifo", "folder", "new.html"]) {
      const { code } = await runCli(["lab", "--only", "E99", "--report", join(at, name)]);
      expect(code).toBe(2);
    }
    expect(readdirSync(at).sort()).toEqual(["fifo", "folder", "link.html"]);
    expect(lstatSync(join(at, "link.html")).isSymbolicLink()).toBe(true);
  });

  it.skipIf(!canMakeNamespaces())("that cannot be written does not lose the result", async () => {
    const disk = folder();
    mountSmall(disk, "4k");
    const spare = folder();
    const line = ["lab", "--loopback", "--quick", "--only", "E4", "--report", join(disk, "lab.html")];
    const { code, stdout, stderr } = await runCli(line, { env: { TMPDIR: spare }, deadlineMs: 60_000 });
    expect(stderr).toMatch(/ENOSPC[^\n]*\n {2}fix: the disk is full/);
    const [, file] = /the result is in (\S+);/.exec(stderr) ?? [];
    expect(JSON.parse(readFileSync(file!, "utf8"))).toMatchObject({ kind: "lab" });
    expect(stdout).toMatch(/E4/);
    expect([code, existsSync(join(disk, "lab.html"))]).toEqual([1, false]);
  });
});

describe("the port map", () => {
  it("is rejected before the table is read if it cannot be written", async () => {
    const { code, stderr } = await runCli(["ports", "--map", "/nowhere/ports.svg"]);
    expect(stderr).toMatch(/\/nowhere\/ports\.svg cannot be written: ENOENT/);
    expect(code).toBe(1);
  });
});
