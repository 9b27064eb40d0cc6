// Child processes: fourtuple's command line, helper programs and third-party ones. Each is killed at the end of the
// test that started it.
import { type ChildProcess, spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { type Exit, Subprocess } from "../../src/util/subprocess.js";
import { argsByEngine, byEngine } from "./engine.js";
import { ROOT } from "./library.js";
import { DEADLINE_MS, within } from "./until.js";

export type { Exit } from "../../src/util/subprocess.js";

export const CLI_FILE = `${ROOT}dist/cli/main.js`;
/** The single executable, if it takes the place of dist/cli/main.js. */
const EXECUTABLE = process.env.TEST_EXECUTABLE && resolve(process.env.TEST_EXECUTABLE);
/** The command line's first words. */
export const PROGRAM: readonly string[] = EXECUTABLE ? [EXECUTABLE] : [process.execPath, CLI_FILE];

export type RefusedCall = "unshare" | "io_uring_setup" | "epoll_pwait2" | "netlink";

/** Programs in test/support/programs that run one or both roles. */
const RUNS = ["library-client", "library-server", "many-runs", "steady-runs", "parallel-runs"];

export interface ProcessOptions {
  readonly env?: Record<string, string>;
  /** Soft and hard RLIMIT_NOFILE. */
  readonly nofile?: number;
  /** System calls that the kernel rejects with EPERM for this process; "netlink" is socket(AF_NETLINK, …). */
  readonly refused?: readonly RefusedCall[];
  /** Text to write to standard input, which is closed by default. */
  readonly input?: string;
}

/** A program under test. Every wait for it has a deadline, and reports what it has printed. */
export class TestProcess {
  readonly child: ChildProcess;
  readonly #program: Subprocess;

  constructor(command: string, args: readonly string[], { env, nofile, refused, input }: ProcessOptions = {}) {
    let line = [command, ...args];
    const ours = line.indexOf(CLI_FILE) + 1;
    if (ours > 0) line = [...line.slice(0, ours), ...argsByEngine(line.slice(ours))];
    if (EXECUTABLE && line[ours - 2] === process.execPath) line.splice(ours - 2, 2, EXECUTABLE);
    if (refused) line = [process.execPath, programFile("refuse-calls"), JSON.stringify({ refused, command, args })];
    if (nofile !== undefined) line = ["bash", "-c", `ulimit -n ${nofile}; exec "$0" "$@"`, ...line];
    this.#program = new Subprocess(line, {
      cwd: ROOT,
      env: { NO_COLOR: "1", ...env },
      stdin: input === undefined ? "ignore" : "pipe",
    });
    this.child = this.#program.child;
    if (input !== undefined) this.child.stdin!.end(input);
  }

  get stdout(): string {
    return this.#program.stdout;
  }

  /** Discards all or some of the output so far. */
  set stdout(text: string) {
    this.#program.stdout = text;
  }

  get stderr(): string {
    return this.#program.stderr;
  }

  get pid(): number {
    return this.child.pid!;
  }

  get isRunning(): boolean {
    return !this.#program.hasEnded;
  }

  /** Waits for the program to exit. */
  exited(deadlineMs = DEADLINE_MS): Promise<Exit> {
    return within(
      () => `the end of process ${this.pid}, which said: ${this.stdout}${this.stderr}`,
      this.#program.result,
      deadlineMs,
    );
  }

  /** Waits until its standard output matches `pattern`. */
  async prints(pattern: RegExp, deadlineMs = DEADLINE_MS): Promise<RegExpExecArray> {
    const printed = this.#program.prints(pattern).catch((cause) => {
      throw new Error(`it ended without printing ${pattern}: ${this.stdout}${this.stderr}`, { cause });
    });
    return within(() => `output with ${pattern}; it printed: ${this.stdout}${this.stderr}`, printed, deadlineMs);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.isRunning) this.child.kill(signal);
    await this.exited();
  }
}

/** Starts a program, and kills it at the end of the test if it is still running. */
export function start(command: string, args: readonly string[], options?: ProcessOptions): TestProcess {
  const started = new TestProcess(command, args, options);
  onTestFinished(() => started.kill());
  return started;
}

/** Starts the command line, as in `startCli(["serve", "127.0.0.1:0"])`. */
export function startCli(args: readonly string[], options?: ProcessOptions): TestProcess {
  return start(process.execPath, [CLI_FILE, ...args], options);
}

/** Runs the command line until it exits. */
export function runCli(args: readonly string[], options?: ProcessOptions & { deadlineMs?: number }): Promise<Exit> {
  return startCli(args, options).exited(options?.deadlineMs);
}

/** Runs a line of a page in a shell that finds fourtuple. */
export function startInShell(line: string, folder: string = ROOT): TestProcess {
  return start("bash", ["-c", `cd '${folder}'; fourtuple() { exec ${PROGRAM.join(" ")} "$@"; }; ${line}`]);
}

/** Returns the result on the last line of JSON output. */
export function resultOf(stdout: string) {
  return JSON.parse(stdout.trim().split("\n").at(-1)!);
}

/** Starts one of test/support/programs/ with its options as JSON. */
export function startProgram(name: string, options: object, processOptions?: ProcessOptions): TestProcess {
  const given = RUNS.includes(name) ? byEngine(options) : options;
  return start(process.execPath, [programFile(name), JSON.stringify(given)], processOptions);
}

function programFile(name: string): string {
  return fileURLToPath(new URL(`./programs/${name}.mjs`, import.meta.url));
}

/** Returns whether a third-party program is installed. If not, prints the reason for skipping the test. */
export function hasProgram(name: string): boolean {
  const isThere = spawnSync("bash", ["-c", `command -v ${name}`]).status === 0;
  if (!isThere) console.warn(`skipped: ${name} is not installed (apt-get install it to run these tests)`);
  return isThere;
}
