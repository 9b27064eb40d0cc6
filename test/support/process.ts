// Child processes: our command line, helper programs and foreign ones. Each is ended with the test that started it.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { ROOT } from "./library.js";
import { DEADLINE_MS, until, within } from "./until.js";

const OUTPUT_GRACE_MS = 1000;

export const CLI_FILE = `${ROOT}dist/cli/main.js`;

export interface Exit {
  /** undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export type RefusedCall = "unshare" | "io_uring_setup" | "epoll_pwait2" | "netlink";

export interface ProcessOptions {
  readonly env?: Record<string, string>;
  /** Soft and hard RLIMIT_NOFILE. */
  readonly nofile?: number;
  /** System calls that the kernel refuses to it by EPERM; "netlink" is socket(AF_NETLINK, …). */
  readonly refused?: readonly RefusedCall[];
  /** Written to standard input, which is closed otherwise. */
  readonly input?: string;
}

/** A child process whose output is collected. */
export class TestProcess {
  stdout = "";
  stderr = "";
  readonly child: ChildProcess;
  readonly #exit: Promise<Exit>;

  constructor(command: string, args: readonly string[], { env, nofile, refused, input }: ProcessOptions = {}) {
    let line = [command, ...args];
    if (refused) line = [process.execPath, programFile("refuse-calls"), JSON.stringify({ refused, command, args })];
    if (nofile !== undefined) line = ["bash", "-c", `ulimit -n ${nofile}; exec "$0" "$@"`, ...line];
    this.child = spawn(line[0]!, line.slice(1), {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    if (input !== undefined) this.child.stdin!.end(input);
    this.#exit = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      const end = () => {
        const { exitCode: code, signalCode: signal } = this.child;
        resolve({ code: code ?? undefined, signal: signal ?? undefined, stdout: this.stdout, stderr: this.stderr });
      };
      this.child.once("close", end);
      // Its output may never end, when a grandchild or a thread got a copy of the pipe: then its exit has to do.
      this.child.once("exit", () => setTimeout(end, OUTPUT_GRACE_MS).unref());
    });
    this.#exit.catch(() => undefined);
  }

  get pid(): number {
    return this.child.pid!;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** How it ended. */
  exited(deadlineMs = DEADLINE_MS): Promise<Exit> {
    return within(
      () => `the end of process ${this.pid}, which said: ${this.stdout}${this.stderr}`,
      this.#exit,
      deadlineMs,
    );
  }

  /** Waits until its standard output holds `pattern`. */
  async prints(pattern: RegExp, deadlineMs = DEADLINE_MS): Promise<RegExpExecArray> {
    const read = () => ({
      found: pattern.exec(this.stdout),
      stdout: this.stdout,
      stderr: this.stderr,
      isRunning: this.isRunning,
    });
    const seen = await until(
      `output with ${pattern}`,
      read,
      ({ found, isRunning }) => found !== null || !isRunning,
      deadlineMs,
    );
    if (seen.found) return seen.found;
    throw new Error(`it ended without printing ${pattern}: ${seen.stdout}${seen.stderr}`);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.isRunning) this.child.kill(signal);
    await this.exited();
  }
}

/** Starts a program; when the test ends it is killed, should it still run. */
export function start(command: string, args: readonly string[], options?: ProcessOptions): TestProcess {
  const started = new TestProcess(command, args, options);
  onTestFinished(() => started.kill());
  return started;
}

/** Starts the command line: `startCli(["serve", "127.0.0.1:0"])`. */
export function startCli(args: readonly string[], options?: ProcessOptions): TestProcess {
  return start(process.execPath, [CLI_FILE, ...args], options);
}

/** Runs the command line to its end. */
export function runCli(args: readonly string[], options?: ProcessOptions & { deadlineMs?: number }): Promise<Exit> {
  return startCli(args, options).exited(options?.deadlineMs);
}

/** Starts one of test/support/programs/ with its options as JSON. */
export function startProgram(name: string, options: object, processOptions?: ProcessOptions): TestProcess {
  return start(process.execPath, [programFile(name), JSON.stringify(options)], processOptions);
}

function programFile(name: string): string {
  return fileURLToPath(new URL(`./programs/${name}.mjs`, import.meta.url));
}

/** Whether a foreign program is installed; says so when it is not, so that the test's skip has a reason. */
export function hasProgram(name: string): boolean {
  const isThere = spawnSync("bash", ["-c", `command -v ${name}`]).status === 0;
  if (!isThere) console.warn(`skipped: ${name} is not installed (apt-get install it to run these tests)`);
  return isThere;
}
