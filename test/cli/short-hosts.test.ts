// Tests hosts that lack a resource: each command names the cause or does its work, ends by itself, and prints neither a
// stack trace nor a bug message. Omits conditions under which Node itself cannot run: fewer than a dozen threads, less
// than a gigabyte of address space.
import { mkdtempSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { ownAddress } from "../support/address.js";
import { atOnce } from "../support/at-once.js";
import { CLI_FILE, type ProcessOptions, start } from "../support/process.js";
import { until } from "../support/until.js";

const isRoot = process.getuid?.() === 0;
const node = process.execPath;

/** Commands of a condition that run at the same time, because they wait for more than half of theirs. */
const AT_ONCE = 3;

interface Condition {
  /** Returns the command that runs `node <cli> <arguments>` under the condition. */
  readonly wrap: (command: readonly string[], uid: number) => readonly string[];
  readonly options?: ProcessOptions;
  readonly needsRoot?: boolean;
  /** Whether each command runs as a user of its own, so that no other process or ring counts against its limits. */
  readonly hasUsers?: boolean;
}

const inShell = (setup: string) => (command: readonly string[]) => [
  "bash",
  "-c",
  `${setup}; exec "$0" "$@"`,
  ...command,
];
const inMountNamespace = (setup: string) => (command: readonly string[]) => [
  "unshare",
  "--mount",
  "bash",
  "-c",
  `${setup} && exec "$0" "$@"`,
  ...command,
];
const refused = (...calls: NonNullable<ProcessOptions["refused"]>): Condition => ({
  wrap: (command) => command,
  options: { refused: calls },
});
/** User IDs unique to this run, because another run of these tests on this host counts against the same limits. */
let lastUser = 30_000 + (process.pid % 300) * 100;
const ofUsers = (limit: string): Condition => ({
  needsRoot: true,
  hasUsers: true,
  wrap: (command, uid) => [
    ...["setpriv", `--reuid=${uid}`, "--regid=65534", "--clear-groups"],
    ...inShell(`ulimit ${limit}`)(command),
  ],
});

/** Returns the IDs of a user's processes. A killed process counts against the limit until its threads have ended. */
const processesOf = (uid: number) =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === uid);

const CONDITIONS: Record<string, Condition> = {
  "no /proc": { wrap: inMountNamespace("mount -t tmpfs none /proc"), needsRoot: true },
  "a current directory that is gone": {
    wrap: (command) => {
      const folder = mkdtempSync(`${tmpdir()}/gone-`);
      return inShell(`cd ${folder} && rmdir ${folder}`)(command);
    },
  },
  "20 descriptors": { wrap: (command) => command, options: { nofile: 20 } },
  "40 descriptors": { wrap: (command) => command, options: { nofile: 40 } },
  "64 descriptors": { wrap: (command) => command, options: { nofile: 64 } },
  "12 processes": ofUsers("-u 12"),
  "15 processes": ofUsers("-u 15"),
  "20 processes": ofUsers("-u 20"),
  "no locked memory": ofUsers("-l 0"),
  "locked memory for one ring": ofUsers("-l 100"),
  "no io_uring": refused("io_uring_setup"),
  "no tables of threads' own": refused("unshare", "io_uring_setup"),
  "no netlink": refused("netlink"),
  "a small address space": { wrap: inShell("ulimit -v 1400000") },
  "nothing to write to": { wrap: inMountNamespace("mount -o bind,ro / / 2>/dev/null; true"), needsRoot: true },
  "no HOME and no TMPDIR": { wrap: (command) => ["env", "-u", "HOME", "-u", "TMPDIR", ...command] },
};

const refusing = `${ownAddress()}:9`;
const COMMANDS: Record<string, { readonly args: readonly string[]; readonly signalAt?: RegExp }> = {
  "connect, one": { args: ["connect", refusing] },
  "connect, many": { args: ["connect", refusing, "-c", "60", "-T", "0"] },
  "connect in rings": { args: ["connect", refusing, "-c", "60", "-T", "0", "--engine", "uring"] },
  "serve in rings": { args: ["serve", `${ownAddress()}:0`, "--engine", "uring"], signalAt: /^listening/m },
  "connect, one table": { args: ["connect", refusing, "-c", "60", "-T", "0", "--one-table"] },
  serve: { args: ["serve", `${ownAddress()}:0`], signalAt: /^listening/m },
  ports: { args: ["ports"] },
  "ports --process": { args: ["ports", "--process"] },
  doctor: { args: ["doctor", "-c", "1k", "--no-measure"] },
  "doctor, measuring": { args: ["doctor", "-c", "1k"] },
  exporter: { args: ["exporter", "--listen", `${ownAddress()}:0`], signalAt: /^metrics/m },
  demo: { args: ["demo", "--connections", "100"] },
  "lab --help": { args: ["lab", "--help"] },
  "report of nothing": { args: ["report", "/nonexistent.json"] },
};

describe.each(Object.entries(CONDITIONS))("on a host with %s", (_, condition) => {
  it.skipIf(condition.needsRoot && !isRoot)(
    "every command exits cleanly, with the cause if it cannot continue",
    () => atOnce(AT_ONCE, Object.keys(COMMANDS), (name) => expectCleanExit(name, condition)),
    120_000,
  );
});

async function expectCleanExit(name: string, { wrap, options, hasUsers }: Condition): Promise<void> {
  const { args, signalAt } = COMMANDS[name]!;
  const uid = ++lastUser;
  const [command, ...rest] = wrap([node, CLI_FILE, ...args], uid);
  const program = start(command!, rest, options);
  if (signalAt) {
    // A program that reports that it listens can be told to stop; any other ends by itself.
    const listens = program.prints(signalAt).then(
      () => program.child.kill("SIGTERM"),
      () => false,
    );
    await Promise.race([listens, program.exited(50_000)]);
  }
  const { code, signal, stdout, stderr } = await program.exited(50_000);
  const text = `${name}: ${stdout}${stderr}`;
  expect({ signal, isDocumented: [0, 1, 2, 3].includes(code!) }, text).toEqual({
    signal: undefined,
    isDocumented: true,
  });
  expect(text).not.toMatch(/bug in fourtuple|unexpected:|^\s+at .*:\d+:\d+\)?$/m);
  if (code !== 0 && !stdout) expect(text).toMatch(/Fatal error: .+\n {2}fix: .+/);
  if (!hasUsers) return;
  await until(
    `no process left behind by ${name}`,
    () => processesOf(uid),
    (pids) => pids.length === 0,
  );
}
