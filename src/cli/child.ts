// A command of this program as a process of its own: its JSON lines, its messages, its end.
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { AppError } from "../util/errors.js";
import { MORE_PROCESSES } from "../util/host-fault.js";

type Json = Record<string, unknown>;

interface ChildEvents {
  /** A line of JSON on its standard output. */
  line: [value: Json];
  /** What it tells its parent. */
  told: [value: Json];
}

/** Until an ordinary end has to be over: a million connections take their time to close. */
const PATIENCE_MS = 60_000;
/** One that has said nothing yet has nothing to close. */
const SILENT_PATIENCE_MS = 5000;
/**
 * Until it has printed or told something. Node waits for ever in its start-up when one of its own threads cannot be created
 * (a limit of processes), before any line of ours runs.
 */
const START_MS = 20_000;

export class Child extends EventEmitter<ChildEvents> {
  /** Its last line of JSON, once it has ended. */
  readonly result: Promise<Json | undefined>;
  /** What it wrote on standard error. */
  errors = "";
  readonly #process: ChildProcess;
  #hasSpoken = false;
  #neverStarted = false;

  constructor(...args: readonly string[]) {
    super();
    const main = fileURLToPath(new URL("./main.js", import.meta.url));
    // In a session of its own: a Ctrl-C of the terminal is for us to pass on. The channel ends it if we end badly.
    this.#process = spawn(process.execPath, [main, ...args], {
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#process.on("message", (message) => {
      this.#hasSpoken = true;
      this.emit("told", message as Json);
    });
    this.#process.stderr!.setEncoding("utf8").on("data", (text) => {
      this.errors += text;
    });
    let last: Json | undefined;
    createInterface({ input: this.#process.stdout! }).on("line", (line) => {
      last = JSON.parse(line);
      this.#hasSpoken = true;
      this.emit("line", last!);
    });
    const start = setTimeout(() => this.#endUnlessStarted(), START_MS);
    this.result = once(this.#process, "close").then(() => last);
    this.#process.once("close", () => clearTimeout(start));
    this.result.catch(() => undefined);
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Why it ended without doing its work. */
  get reason(): string {
    if (this.#neverStarted) return `it did not start within ${START_MS / 1000} s`;
    return this.errors.trim() || "it said nothing";
  }

  /** What helps against it. */
  get fix(): string {
    return this.#neverStarted
      ? `${MORE_PROCESSES}, or try again on a host that is less busy`
      : "try fewer connections, such as --connections 10k";
  }

  /** Asks it to end in order, and waits for its last line. */
  async stop(silentPatienceMs = SILENT_PATIENCE_MS): Promise<Json | undefined> {
    if (!this.hasEnded) this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.kill(), this.#hasSpoken ? PATIENCE_MS : silentPatienceMs);
    return this.result.finally(() => clearTimeout(timer));
  }

  /**
   * Stops it for its result.
   *
   * @param role what it is to whoever reads the error
   * @param silentPatienceMs until one that has neither printed nor told anything is killed
   * @throws {AppError} when it was ended before it could tell the result
   */
  async finish(role: string, silentPatienceMs?: number): Promise<Json> {
    const result = await this.stop(silentPatienceMs);
    if (result?.kind !== undefined) return result;
    const { exitCode, signalCode } = this.#process;
    const end = [signalCode ?? `exit code ${exitCode}`, this.errors.trim()].filter((part) => part !== "").join(", ");
    throw new AppError("E_CONNECT", `the ${role} ended without a result: ${end}`, {
      fix: "run it again; where memory is short, with fewer connections, such as --connections 10k",
    });
  }

  #endUnlessStarted(): void {
    if (this.#hasSpoken || this.errors !== "") return;
    this.#neverStarted = true;
    this.kill();
  }

  /** Ends it at once. */
  kill(): void {
    if (!this.hasEnded) this.#process.kill("SIGKILL");
  }
}
