// Tests the single executable on hosts that have next to nothing. `npm run package` builds it; FOURTUPLE_FILE names it.
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ROOT } from "../support/library.js";
import { canMakeNamespaces } from "../support/namespace.js";
import { CLI_FILE, resultOf, start } from "../support/process.js";

const FILE = process.env.FOURTUPLE_FILE;
if (!FILE) console.log("skipped: FOURTUPLE_FILE does not name the executable that npm run package builds");

/** The executable for arm64, which runs under qemu. */
const ARM64_FILE = process.env.FOURTUPLE_ARM64_FILE;
if (!ARM64_FILE) console.log("skipped: FOURTUPLE_ARM64_FILE does not name the executable for arm64");
/** The libraries of Debian's libstdc++6-arm64-cross. */
const EMULATION_DEADLINE_MS = 200_000;
const EMULATED = ["-L", "/usr/aarch64-linux-gnu", ARM64_FILE!];

/** FOURTUPLE_FILE_STARTS=50 takes a minute on a busy machine. */
const STARTS = Number(process.env.FOURTUPLE_FILE_STARTS ?? 8);
const STARTS_DEADLINE_MS = 120_000;
/** How `demo -c 200` ends. */
const DEMO = { code: 0, stdout: expect.stringMatching(/ESTABLISHED[\s\S]*opened in/) };

function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-file-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Copies the executable, so that it can be moved or deleted. */
function copyTo(...path: string[]): string {
  const file = join(scratchFolder(), ...path);
  mkdirSync(join(file, ".."), { recursive: true });
  copyFileSync(FILE!, file);
  return file;
}

/** Libraries that Node's binary needs: those of C and C++. */
function libraries(): string[] {
  const printed = execFileSync("ldd", [FILE!], { encoding: "utf8" });
  return [...printed.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
}

/**
 * Returns a command line that runs the executable as nobody in a root that contains only these libraries, read-only, with
 * /proc, and with folders for temporary files that are mounted as given.
 */
function inEmptyRoot(folders: Readonly<Record<string, string>>, args: readonly string[]): string[] {
  const root = scratchFolder();
  const steps = [
    "set -e",
    `mount -t tmpfs none ${root}`,
    `mkdir ${root}/proc ${["/dev", ...Object.keys(folders)].map((folder) => root + folder).join(" ")}`,
    `mount -t proc none ${root}/proc`,
    ...libraries().map((path) => `mkdir -p ${root}${join(path, "..")}; cp -L ${path} ${root}${path}`),
    `cp '${FILE}' ${root}/fourtuple`,
    ...Object.entries(folders).map(([folder, option]) => `mount -t tmpfs -o mode=1777,${option} none ${root}${folder}`),
    `mount -o remount,ro ${root}`,
    "ip link set lo up",
    `exec env -i "$(command -v chroot)" --userspec=65534:65534 ${root} /fourtuple "$@"`,
  ];
  return ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", steps.join("\n"), "sh", ...args];
}

const run = ([command, ...args]: string[], env?: Record<string, string>, deadlineMs?: number) =>
  start(command!, args, env === undefined ? {} : { env }).exited(deadlineMs);

describe.skipIf(!FILE)("the single executable", () => {
  it("runs from a path with spaces and other letters, and through a symlink", async () => {
    const file = copyTo("döt ws", "four tuple");
    const link = join(scratchFolder(), "link");
    symlinkSync(file, link);
    expect((await run([link, "--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await run([link, "demo", "-c", "200"])).toMatchObject(DEMO);
  });

  it("runs in a folder that was removed", async () => {
    const line = 'cd "$(mktemp -d)" && rmdir "$PWD" && exec "$0" ports :1';
    expect((await run(["sh", "-c", line, FILE!])).stderr).toBe("");
  });

  it("fails if it cannot print its version", async () => {
    const { code, stderr } = await run(["sh", "-c", '"$0" --version >/dev/full', FILE!]);
    expect(stderr).toMatch(/output cannot be written: ENOSPC/);
    expect(code).toBe(1);
  });

  it("starts its children after the file was deleted", async () => {
    const file = copyTo("fourtuple");
    // The shell becomes the program only after it has opened the file, so it is the file that is gone.
    const line = 'exec 3<"$0"; rm "$0"; exec /proc/self/fd/3 demo -c 200';
    expect(await run(["sh", "-c", line, file])).toMatchObject(DEMO);
  });

  it(
    `starts ${STARTS} times at once, and leaves no file behind`,
    async () => {
      const folder = scratchFolder();
      const env = { XDG_RUNTIME_DIR: folder };
      const once = () => run([FILE!, "ports", ":1", "--json"], env, STARTS_DEADLINE_MS);
      const ended = await Promise.all(Array.from({ length: STARTS }, once));
      // Nothing uses the port.
      expect(ended.filter(({ code, stderr }) => code !== 1 || stderr !== "")).toEqual([]);
      expect(readdirSync(folder)).toEqual([]);
    },
    STARTS_DEADLINE_MS,
  );

  it("ignores Node's variables, and names sources and lines in stacks", async () => {
    const env = { FOURTUPLE_DEBUG: "1", NODE_OPTIONS: "--no-such-option" };
    const { stderr } = await run([FILE!, "connect", "127.0.0.1:1"], env);
    expect(stderr).toMatch(/ECONNREFUSED[\s\S]*at async runProgram \(src\/cli\/program\.ts:\d+:\d+\)/);
    const [, line, column] = /at async run \(src\/cli\/run-main\.ts:(\d+):(\d+)\)/.exec(stderr)!;
    const source = readFileSync(`${ROOT}src/cli/run-main.ts`, "utf8").split("\n")[Number(line) - 1]!;
    expect(source.slice(Number(column) - 1)).toMatch(/^await runProgram\(/);
  });

  it("runs user-defined protocols in TypeScript, and finds syntax errors in them", async () => {
    const file = join(scratchFolder(), "line.mts");
    expect((await run([FILE!, "protocol", "new", file])).code).toBe(0);
    const checked = await run([FILE!, "protocol", "check", file, "-c", "50", "-T", "200ms"]);
    expect(checked).toMatchObject({ code: 0, stdout: expect.stringMatching(/50 connections +50 ready/) });
    writeFileSync(file, "export default 1;\nconst = 3;\n");
    expect((await run([FILE!, "protocol", "check", file])).stderr).toMatch(/syntax error: .*\(line 2, column 7\)/);
  });
});

describe.skipIf(!FILE || !canMakeNamespaces())("the single executable in an empty root, as nobody", () => {
  it.each([[{ "/tmp": "noexec", "/dev/shm": "size=50m" }], [{ "/tmp": "size=50m", "/dev/shm": "noexec" }]])(
    "opens connections with %o",
    async (folders) => {
      expect(await run(inEmptyRoot(folders, ["demo", "-c", "200"]))).toMatchObject(DEMO);
    },
  );

  it("says what it tried if no folder allows executable code", async () => {
    const { code, stderr } = await run(inEmptyRoot({ "/tmp": "noexec", "/dev/shm": "size=10k" }, ["ports"]));
    expect(stderr).toMatch(/no folder allows loading the native module: \/dev\/shm \(ENOSPC\), \/tmp \(mounted noexec/);
    expect(code).toBe(3);
  });
});

it.skipIf(!FILE || !canMakeNamespaces())("the single executable runs the lab's hosts", async () => {
  const { stdout, stderr } = await run([FILE!, "lab", "--quick", "--only", "E1", "--json"]);
  expect(resultOf(stdout), stderr).toMatchObject({
    testbed: { kind: "namespaces" },
    experiments: [{ id: "E1", verdict: "confirmed" }],
  });
});

describe.skipIf(!ARM64_FILE)("the single executable for arm64, under qemu", () => {
  const emulated = (...args: string[]) => start("qemu-aarch64", [...EMULATED, ...args]).exited(EMULATION_DEADLINE_MS);

  it(
    "prints its version, reads the socket table, and opens connections",
    async () => {
      expect(await emulated("--version")).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      });
      const server = start(process.execPath, [CLI_FILE, "serve", "127.0.0.1:0", "--json"]);
      const [, port] = await server.prints(/"port":(\d+)/);
      const { code, stdout } = await emulated("connect", `127.0.0.1:${port}`, "-c", "20", "-T", "0", "--json");
      expect(code).toBe(0);
      expect(resultOf(stdout)).toMatchObject({ established: 20, isTargetMet: true, host: { arch: "arm64" } });
      const { listeners } = resultOf((await emulated("ports", `127.0.0.1:${port}`, "--json")).stdout);
      expect(listeners).toMatchObject([{ ip: "127.0.0.1", port: Number(port) }]);
    },
    3 * EMULATION_DEADLINE_MS,
  );
});
