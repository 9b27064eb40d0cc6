// Runs a program under measurement as a child process with a deadline, and exchanges lines with it.
import { on } from "node:events";
import { existsSync } from "node:fs";
import { constants } from "node:os";

const BUILT = new URL("../dist/util/subprocess.js", import.meta.url);
if (!existsSync(BUILT)) {
  console.error("dist/ is missing: run npm run build first");
  process.exit(2);
}
/** @type {typeof import("../dist/util/subprocess.js")} */
const { Subprocess } = await import(BUILT.href);

const PARENT_POLL_MS = 1000;

/** @type {Set<Child>} */
const living = new Set();

/** Signals that end a run: a closed terminal, Ctrl-C, kill. */
export const STOP_SIGNALS = /** @type {const} */ (["SIGHUP", "SIGINT", "SIGTERM"]);

/** @param {NodeJS.Signals} signal */
export function exitCodeOf(signal) {
  return 128 + constants.signals[signal];
}

/** Makes a signal end this process together with everything it has started. */
export function endChildrenBySignal() {
  for (const signal of STOP_SIGNALS) {
    // Do not use once(): Ctrl-C in a terminal arrives twice, and the second one would end this process early.
    process.on(signal, () => {
      for (const child of living) child.kill();
      process.exit(exitCodeOf(signal));
    });
  }
}

/**
 * A parent that was killed cannot forward the signal, so a change of parent makes this process exit as a
 * signal would.
 */
export function endWithParent() {
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && process.kill(process.pid, "SIGTERM"), PARENT_POLL_MS).unref();
}

/**
 * @param {string} said output of a program that failed
 * @returns {string} its beginning, on one line
 */
export function firstLines(said) {
  return said.trim().split("\n").slice(0, 5).join(" | ");
}

export class Child {
  /** Resolves with the exit code, or the name of the signal that ended the program. */
  exited;
  #program;
  #lines;
  #isLate = false;

  /**
   * @param {string[]} command
   * @param {number} deadlineMs time after which the program is killed
   */
  constructor(command, deadlineMs) {
    this.#program = new Subprocess(command, { stdin: "pipe" });
    living.add(this);
    // Writing to a program that has already exited fails; its exit code is more informative.
    this.#program.child.stdin?.on("error", () => undefined);
    this.#lines = on(this.#program, "line", { close: ["close"] });
    const timer = setTimeout(() => {
      this.#isLate = true;
      this.kill();
    }, deadlineMs);
    const ended = this.#program.result.then(
      ({ code, signal }) => code ?? signal ?? null,
      (/** @type {Error} */ error) => error.message,
    );
    /** @type {Promise<number | string | null>} */
    this.exited = ended.then((how) => {
      clearTimeout(timer);
      living.delete(this);
      return this.#isLate ? `killed after ${deadlineMs / 1000} s` : how;
    });
  }

  /** The beginning of the program's standard error. */
  get complaint() {
    return firstLines(this.#program.stderr);
  }

  /** @returns {number} */
  get pid() {
    return this.#program.pid ?? 0;
  }

  /** @returns {Promise<string | undefined>} the next line of the program's output; undefined at the end */
  async line() {
    const { value, done } = await this.#lines.next();
    return done ? undefined : value[0];
  }

  /**
   * @param {string} what description of the line for the error message
   * @returns {Promise<string>} the next line of its output
   */
  async expectLine(what) {
    const line = await this.line();
    if (line !== undefined) return line;
    const how = await this.exited;
    throw new Error(`the program ended (${how}) while waiting for ${what} ${this.complaint}`);
  }

  /** @param {string} text */
  write(text) {
    this.#program.child.stdin?.write(text);
  }

  endInput() {
    this.#program.child.stdin?.end();
  }

  /** @param {NodeJS.Signals} signal */
  kill(signal = "SIGKILL") {
    this.#program.kill(signal);
  }
}
