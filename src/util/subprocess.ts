// A program that runs beside this one: what it prints, how it ended, and an end in order while there is time for it.
import type { ChildProcess } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay, setImmediate } from "node:timers/promises";
import { type Result, x } from "tinyexec";
import { DEBUG, trace } from "./debug/trace.js";
import { AppError, type ErrorCode } from "./errors.js";
import { hostFault, MORE_PROCESSES } from "./host-fault.js";

/**
 * Until a program of Node's has printed something. Node waits for ever in its start-up when one of its own threads cannot be
 * created (a limit of processes), before any line of its program runs.
 */
export const NODE_START_MS = 20_000;
/** The variable by which a command of ours is told that its standard input is a pipe from the process that it stops with. */
export const PARENT_PIPE = "FOURTUPLE_PARENT_PIPE";
/** From a request to end to the kill of who does not hear it. */
const GRACE_MS = 5000;
/** A program that has ended has printed all when nothing came for so long: another process may hold a copy of its pipe. */
const OUTPUT_GRACE_MS = 1000;
/** The exit code with which fourtuple says that this host does not allow what it was asked to do. */
const NOT_ALLOWED = 3;

export interface SubprocessOptions {
  /** How errors call it; its command unless given. */
  readonly name?: string;
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its standard input is a pipe from here, `child.stdin`; /dev/null unless given. */
  readonly stdin?: "ignore" | "pipe";
  /** Gives it a session of its own: a Ctrl-C of the terminal reaches this process alone, which passes it on. */
  readonly detached?: boolean;
  /** A command of fourtuple's that stops when this process ends, whatever ended it: its standard input is a pipe from here. */
  readonly stopsWithUs?: boolean;
  /** It is killed when it has printed nothing by then; never unless given. */
  readonly startLimitMs?: number;
}

/** How a program ended, and all that it printed. */
export interface Exit {
  /** undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

interface SubprocessEvents {
  /** A line on its standard output. */
  line: [text: string];
  /** It has ended, and its last line was told. */
  close: [];
}

export class Subprocess extends EventEmitter<SubprocessEvents> {
  /** What it has printed so far. */
  stdout = "";
  stderr = "";
  /**
   * How it ended, after the last of its output.
   *
   * @throws {AppError} E_PLATFORM when there is no such program, E_SYSTEM when it could not be started
   */
  readonly result: Promise<Exit>;
  /** Node's handle of it: its pipes, its references. */
  readonly child: ChildProcess;
  readonly #name: string;
  readonly #running: Result;
  readonly #startLimitMs: number;
  #hasClosed = false;
  #neverStarted = false;

  /** Starts it. @param command the program and its arguments */
  constructor(command: readonly string[], options: SubprocessOptions = {}) {
    super();
    const { name = command[0]!, cwd, stopsWithUs = false, detached = false, startLimitMs = 0 } = options;
    // Its trace would be taken for its errors.
    const env = stopsWithUs ? { ...options.env, [PARENT_PIPE]: "stdin", [DEBUG]: "" } : options.env;
    const stdin = stopsWithUs ? "pipe" : (options.stdin ?? "ignore");
    this.#name = name;
    this.#startLimitMs = startLimitMs;
    this.#running = x(command[0]!, command.slice(1), {
      persist: detached,
      // The programs are found as this process's user has them, not in packages beside the current directory.
      nodePath: false,
      nodeOptions: {
        stdio: [stdin, "pipe", "pipe"],
        ...(cwd !== undefined && { cwd }),
        ...(env !== undefined && { env }),
      },
    });
    this.child = this.#running.process!;
    trace("programs", () => `started ${command.join(" ")} as process ${this.pid}`);
    // One that could not be started for lack of descriptors has no pipes.
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    if (this.child.stdout) createInterface({ input: this.child.stdout }).on("line", (text) => this.emit("line", text));
    this.result = this.#end();
    // Who does not wait for its end need not hear of it.
    this.result.then(
      ({ code, signal }) => trace("programs", () => `process ${this.pid} ended: ${signal ?? `exit code ${code}`}`),
      () => undefined,
    );
  }

  /** Its process id as this process sees it; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  get hasEnded(): boolean {
    return this.#hasClosed || this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Whether it has printed anything: then it has something to end in order. */
  get hasSpoken(): boolean {
    return this.stdout !== "";
  }

  /** Why it ended without doing its work. */
  get reason(): string {
    if (this.#neverStarted) return `it did not start within ${this.#startLimitMs / 1000} s`;
    return this.stderr.trim() || "it said nothing";
  }

  /** What helps when it could not start; undefined when it did. */
  get fix(): string | undefined {
    return this.#neverStarted ? `${MORE_PROCESSES}, or try again on a host that is less busy` : undefined;
  }

  /**
   * Waits until its standard output holds `pattern`.
   *
   * @throws {AppError} E_SYSTEM when it ends without, E_PERMISSION when it says that this host does not allow it
   */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.stdout);
      if (found) return found;
      if (this.#hasClosed) {
        await this.result;
        throw this.failure(`${this.#name} ended early`);
      }
      await Promise.race([...(this.child.stdout ? [once(this.child.stdout, "data")] : []), this.result]);
    }
  }

  /** Sends a signal, if it still runs. */
  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    this.#running.kill(signal);
  }

  /**
   * Asks it to end, and kills it where that takes too long. One that was stopped goes on, to hear of it.
   *
   * @param graceMs from the signal to the kill
   */
  async stop(graceMs = GRACE_MS): Promise<void> {
    this.kill("SIGTERM");
    this.kill("SIGCONT");
    const timer = setTimeout(() => this.kill("SIGKILL"), graceMs);
    await this.result.catch(() => undefined);
    clearTimeout(timer);
  }

  /** The error for one that ended without doing its work. @param message what did not happen; why is added */
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

  /** Resolves when it has exited and its output has come to rest, although its pipes are still open. */
  async #outputAfterExit(): Promise<void> {
    await new Promise((resolve) => this.child.once("exit", resolve));
    for (let seen = -1; seen !== this.stdout.length + this.stderr.length; ) {
      seen = this.stdout.length + this.stderr.length;
      await delay(OUTPUT_GRACE_MS, undefined, { ref: false });
      // One more look: this process may have stood still meanwhile.
      await setImmediate();
    }
  }

  #endUnlessStarted(): void {
    if (this.hasSpoken || this.stderr !== "") return;
    this.#neverStarted = true;
    this.kill("SIGKILL");
  }
}
