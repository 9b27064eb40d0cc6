// Runs a child process: its output, its exit status, and graceful termination with a timeout.
import type { ChildProcess } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay, setImmediate } from "node:timers/promises";
import { type Result, x } from "tinyexec";
import { DEBUG, trace } from "./debug/trace.js";
import { AppError, type ErrorCode } from "./errors.js";
import { hostFault, MORE_PROCESSES } from "./host-fault.js";

/**
 * Time limit for a Node program to print anything. During start-up, Node hangs forever if one of its own threads cannot
 * be created (process limit), before any code of the program runs.
 */
export const NODE_START_MS = 20_000;
/**
 * Environment variable that tells a fourtuple command that its standard input is a pipe from its parent, and that it
 * must stop when the pipe closes.
 */
export const PARENT_PIPE = "FOURTUPLE_PARENT_PIPE";
/** Time from a stop request until the process is killed. */
const GRACE_MS = 5000;
/**
 * After the process has exited, its output counts as complete once nothing has arrived for this long, because another
 * process may still hold a copy of the pipe.
 */
const OUTPUT_GRACE_MS = 1000;
/** fourtuple's exit code for an operation that this host does not permit. */
const NOT_ALLOWED = 3;

export interface SubprocessOptions {
  /** The program's name in error messages; by default, the command. */
  readonly name?: string;
  readonly cwd?: string;
  /** Variables to add to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether standard input is a pipe, `child.stdin`; default: /dev/null. */
  readonly stdin?: "ignore" | "pipe";
  /**
   * Whether to run the program in a new session. A Ctrl-C in the terminal then reaches only this process, which
   * forwards it.
   */
  readonly detached?: boolean;
  /**
   * For fourtuple commands: whether to stop when this process exits for whatever reason. Standard input is then a pipe.
   */
  readonly stopsWithUs?: boolean;
  /** Time after which the process is killed if it has printed nothing; by default, never. */
  readonly startLimitMs?: number;
}

/** The exit status and the complete output. */
export interface Exit {
  /** Exit code; undefined if the process was terminated by a signal. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

interface SubprocessEvents {
  /** Emitted for each line of standard output. */
  line: [text: string];
  /** Emitted when the process has exited and its last line has been emitted. */
  close: [];
}

export class Subprocess extends EventEmitter<SubprocessEvents> {
  /** Output so far. */
  stdout = "";
  stderr = "";
  /**
   * Resolves once the process has exited and its output is complete.
   *
   * @throws {AppError} E_PLATFORM if the program does not exist, E_SYSTEM if the program could not be started
   */
  readonly result: Promise<Exit>;
  /** Node's process object, with its pipes and ref(). */
  readonly child: ChildProcess;
  readonly #name: string;
  readonly #running: Result;
  readonly #startLimitMs: number;
  #hasClosed = false;
  #neverStarted = false;

  /**
   * Starts the process.
   * @param command program and arguments
   */
  constructor(command: readonly string[], options: SubprocessOptions = {}) {
    super();
    const { name = command[0]!, cwd, stopsWithUs = false, detached = false, startLimitMs = 0 } = options;
    // A trace on the child's standard error would be mistaken for error messages.
    const env = stopsWithUs ? { ...options.env, [PARENT_PIPE]: "stdin", [DEBUG]: "" } : options.env;
    const stdin = stopsWithUs ? "pipe" : (options.stdin ?? "ignore");
    this.#name = name;
    this.#startLimitMs = startLimitMs;
    this.#running = x(command[0]!, command.slice(1), {
      persist: detached,
      // Find programs in the user's PATH, not in packages near the current directory.
      nodePath: false,
      nodeOptions: {
        stdio: [stdin, "pipe", "pipe"],
        ...(cwd !== undefined && { cwd }),
        ...(env !== undefined && { env }),
      },
    });
    this.child = this.#running.process!;
    trace("programs", () => `started ${command.join(" ")} as process ${this.pid}`);
    // There are no pipes if the process could not be started for lack of descriptors.
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    if (this.child.stdout) createInterface({ input: this.child.stdout }).on("line", (text) => this.emit("line", text));
    this.result = this.#end();
    // Avoid an unhandled rejection if nobody awaits the result.
    this.result.then(
      ({ code, signal }) => trace("programs", () => `process ${this.pid} exited: ${signal ?? `exit code ${code}`}`),
      () => undefined,
    );
  }

  /** Process ID in the PID namespace of this process; undefined if the program could not be started. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  get hasEnded(): boolean {
    return this.#hasClosed || this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Whether the process has printed anything. If so, there may be something for it to shut down gracefully. */
  get hasSpoken(): boolean {
    return this.stdout !== "";
  }

  /** Returns why the process exited without doing its work. */
  get reason(): string {
    if (this.#neverStarted) return `it did not start within ${this.#startLimitMs / 1000} s`;
    return this.stderr.trim() || "it printed nothing";
  }

  /** The suggested fix if the process never started; undefined otherwise. */
  get fix(): string | undefined {
    return this.#neverStarted ? `${MORE_PROCESSES}, or try again on a host that is less busy` : undefined;
  }

  /**
   * Waits until standard output matches `pattern`.
   *
   * @throws {AppError} E_SYSTEM if the process exits first, E_PERMISSION if the process reports that this host does not
   *   permit the operation
   */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.stdout);
      if (found) return found;
      if (this.#hasClosed) {
        await this.result;
        throw this.failure(`${this.#name} stopped early`);
      }
      await Promise.race([...(this.child.stdout ? [once(this.child.stdout, "data")] : []), this.result]);
    }
  }

  /** Sends a signal if the process is still running. */
  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    this.#running.kill(signal);
  }

  /**
   * Requests termination, and kills the process after a timeout. SIGCONT is sent too, so that a stopped process
   * receives the request.
   *
   * @param graceMs time until the kill
   */
  async stop(graceMs = GRACE_MS): Promise<void> {
    this.kill("SIGTERM");
    this.kill("SIGCONT");
    const timer = setTimeout(() => this.kill("SIGKILL"), graceMs);
    await this.result.catch(() => undefined);
    clearTimeout(timer);
  }

  /**
   * Creates an error for a process that exited without doing its work.
   * @param message what failed; the reason is appended
   */
  failure(message: string, cause?: unknown): AppError {
    const code: ErrorCode = this.child.exitCode === NOT_ALLOWED ? "E_PERMISSION" : "E_SYSTEM";
    const fix = this.fix;
    return new AppError(code, `${message}: ${this.reason}`, { cause, ...(fix !== undefined && { fix }) });
  }

  async #end(): Promise<Exit> {
    const start = this.#startLimitMs > 0 ? setTimeout(() => this.#endUnlessStarted(), this.#startLimitMs) : undefined;
    try {
      await Promise.race([this.#running, this.#outputAfterExit()]);
      const { exitCode, signalCode } = this.child;
      return {
        code: exitCode ?? undefined,
        signal: signalCode ?? undefined,
        stdout: this.stdout,
        stderr: this.stderr,
      };
    } catch (cause) {
      const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
      if (isMissing) throw new AppError("E_PLATFORM", `${this.child.spawnfile} is not installed`, { cause });
      throw hostFault(cause) ?? new AppError("E_SYSTEM", (cause as Error).message, { cause });
    } finally {
      this.#hasClosed = true;
      clearTimeout(start);
      this.emit("close");
    }
  }

  /** Resolves when the process has exited and its output has stopped, even if its pipes are still open. */
  async #outputAfterExit(): Promise<void> {
    await new Promise((resolve) => this.child.once("exit", resolve));
    for (let seen = -1; seen !== this.stdout.length + this.stderr.length; ) {
      seen = this.stdout.length + this.stderr.length;
      await delay(OUTPUT_GRACE_MS, undefined, { ref: false });
      // Poll once more, because this process may have been stalled.
      await setImmediate();
    }
  }

  #endUnlessStarted(): void {
    if (this.hasSpoken || this.stderr !== "") return;
    this.#neverStarted = true;
    this.kill("SIGKILL");
  }
}
