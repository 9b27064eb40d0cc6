// A program that runs in one of the lab's hosts: what it prints, what it tells over its channel, how it ended.
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { AppError, type ErrorCode } from "../../util/errors.js";

/** Until an ordinary end has to be over; then it is ended at once. */
const PATIENCE_MS = 5000;
/** With which a program of ours says that this host does not allow it. */
const NOT_ALLOWED = 3;

export interface ProcessEnd {
  /** The exit code; undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface HostProcessOptions {
  /** Soft and hard RLIMIT_NOFILE; as this process has them unless given. */
  readonly nofileLimit?: number;
}

interface HostProcessEvents {
  /** A line on its standard output. */
  line: [text: string];
  /** What it tells its parent, as `connect` tells of its progress. */
  told: [message: object];
}

export class HostProcess extends EventEmitter<HostProcessEvents> {
  /** What it has printed until now. */
  stdout = "";
  stderr = "";
  /**
   * How it ended, after its last output.
   *
   * @throws {AppError} E_PLATFORM when there is no such program, E_SYSTEM when it could not be started
   */
  readonly result: Promise<ProcessEnd>;
  readonly #name: string;
  readonly #process: ChildProcess;
  #hasEnded = false;

  /**
   * @param name how errors call it
   * @param line the command and its arguments; run unless this process ends in between
   * @param hasChannel whether it is a program of Node's that may tell its parent something
   */
  constructor(name: string, line: readonly string[], hasChannel: boolean) {
    super();
    this.#name = name;
    // In a session of its own: a Ctrl-C of the terminal is for the lab to pass on.
    this.#process = spawn(line[0]!, line.slice(1), {
      detached: true,
      stdio: ["ignore", "pipe", "pipe", ...(hasChannel ? (["ipc"] as const) : [])],
    });
    this.#process.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.#process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    createInterface({ input: this.#process.stdout! }).on("line", (text) => this.emit("line", text));
    this.#process.on("message", (message) => this.emit("told", message as object));
    this.result = this.#ended();
    // Who does not ask for it need not hear of it.
    this.result.catch(() => undefined);
  }

  /** Its process id, as this process sees it; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * Waits until its standard output holds `pattern`.
   *
   * @throws {AppError} E_SYSTEM when it ends without, E_PERMISSION when this host does not allow it
   */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.stdout);
      if (found) return found;
      if (this.#hasEnded) {
        const why = this.stderr.trim() || "it said nothing";
        throw new AppError(codeOf(await this.result), `${this.#name} ended early: ${why}`);
      }
      await Promise.race([once(this.#process.stdout!, "data"), this.result]);
    }
  }

  /** Sends a signal, if it still runs. */
  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    this.#process.kill(signal);
  }

  /** Ends it in order, or at once where that takes too long. One that was stopped goes on, to hear of it. */
  async end(): Promise<void> {
    this.kill();
    this.kill("SIGCONT");
    const timer = setTimeout(() => this.kill("SIGKILL"), PATIENCE_MS);
    await this.result.catch(() => undefined);
    clearTimeout(timer);
  }

  async #ended(): Promise<ProcessEnd> {
    try {
      const [code, signal] = (await once(this.#process, "close")) as [number | null, NodeJS.Signals | null];
      return { code: code ?? undefined, signal: signal ?? undefined, stdout: this.stdout, stderr: this.stderr };
    } catch (cause) {
      const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
      if (isMissing) throw new AppError("E_PLATFORM", `${this.#process.spawnfile} is not installed`, { cause });
      throw new AppError("E_SYSTEM", (cause as Error).message, { cause });
    } finally {
      this.#hasEnded = true;
    }
  }
}

/** The error's code for a program of ours that ended without doing its work. */
export function codeOf({ code }: ProcessEnd): ErrorCode {
  return code === NOT_ALLOWED ? "E_PERMISSION" : "E_SYSTEM";
}
