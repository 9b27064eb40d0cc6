// Tests loading a native module from memory: which folders are tried, what is said of those that do not work, and that
// nothing is left in them.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { writableFolders } from "../../../src/linux/syscalls/native-module.js";
import { ROOT } from "../../support/library.js";
import { canMakeNamespaces } from "../../support/namespace.js";
import { start } from "../../support/process.js";

const KOFFI = `${ROOT}node_modules/@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`;
const MOUNTS = {
  noexec: "mount -t tmpfs -o noexec none noexec",
  full: "mount -t tmpfs -o size=64k none full",
  readonly: "mount -t tmpfs -o ro none readonly",
  foreign: "chown 1234 foreign",
  good: "mount -t tmpfs none good",
} as const;
const PROGRAM = `
  import { readdirSync, readFileSync } from "node:fs";
  import { Worker } from "node:worker_threads";
  const { loadFromMemory } = await import("${ROOT}dist/linux/syscalls/native-module.js");
  const folders = process.argv.slice(1);
  try {
    const { exports, path } = loadFromMemory(readFileSync("${KOFFI}"), folders);
    const left = folders.slice(1).flatMap((folder) => readdirSync(folder));
    const code = \`const m = { exports: {} }; process.dlopen(m, "\${path}");
      require("node:worker_threads").parentPort.postMessage(typeof m.exports.load)\`;
    const inThread = await new Promise((resolve) => new Worker(code, { eval: true, execArgv: [] }).on("message", resolve));
    console.log(JSON.stringify({ path, load: typeof exports.load, left, inThread }));
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, message: error.message }));
  }`;

function evaluated(program: string, ...args: string[]): string[] {
  return [process.execPath, "--input-type=module", "--eval", program, ...args];
}

async function load(folders: readonly (keyof typeof MOUNTS)[]) {
  const scratch = mkdtempSync(join(tmpdir(), "fourtuple-native-"));
  onTestFinished(() => rmSync(scratch, { recursive: true }));
  for (const name of folders) mkdirSync(join(scratch, name));
  const script = ["cd", scratch, ...folders.flatMap((name) => ["&&", MOUNTS[name]]), '&& exec "$0" "$@"'].join(" ");
  const paths = ["missing", ...folders].map((name) => join(scratch, name));
  const node = evaluated(PROGRAM, ...paths);
  const { stdout } = await start("unshare", ["--mount", "sh", "-c", script, ...node]).exited();
  return { ...JSON.parse(stdout), scratch };
}

describe.skipIf(!canMakeNamespaces())("a native module in memory", () => {
  it("is loaded from the first folder that allows it, for all threads, and leaves nothing there", async () => {
    const { path, ...rest } = await load(["noexec", "full", "readonly", "foreign", "good"]);
    expect(path).toMatch(/^\/proc\/self\/fd\/\d+$/);
    expect(rest).toMatchObject({ load: "function", left: [], inThread: "function" });
  });

  it("names all folders and what is wrong with each, if none allows it", async () => {
    const { code, message, scratch } = await load(["noexec", "full", "readonly", "foreign"]);
    expect(code).toBe("E_PLATFORM");
    expect(message.replaceAll(scratch, "")).toBe(
      "no folder allows loading the native module: /missing (ENOENT), " +
        "/noexec (mounted noexec, or executable memory is forbidden), /full (ENOSPC), /readonly (EROFS), " +
        "/foreign (it belongs to another user)",
    );
  });
});

it("the folders are absolute, and each is tried once", () => {
  const folders = writableFolders({ XDG_RUNTIME_DIR: "/run/user/1", TMPDIR: "/tmp", HOME: "." });
  expect(folders).toEqual(["/run/user/1", "/dev/shm", "/tmp", "/var/tmp", "/run", process.cwd()]);
});

it("the current folder is not needed", async () => {
  const program = `
    import { mkdtempSync, rmdirSync } from "node:fs";
    const { writableFolders } = await import("${ROOT}dist/linux/syscalls/native-module.js");
    const folder = mkdtempSync("${join(tmpdir(), "fourtuple-removed-")}");
    process.chdir(folder);
    rmdirSync(folder);
    console.log(writableFolders({ HOME: "/root" }).join());`;
  const { stdout, stderr } = await start(process.execPath, evaluated(program).slice(1)).exited();
  expect([stderr, stdout]).toEqual(["", "/dev/shm,/tmp,/var/tmp,/run,/root\n"]);
});
