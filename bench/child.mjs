// A program under measurement: a process of its own with a deadline, spoken to in lines.
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

const PARENT_LOOK_MS = 1000;

/** @type {Set<Child>} */
const living = new Set();

/** What ends a run from outside: a closed terminal, Ctrl-C, kill. */
export const STOP_SIGNALS = /** @type {const} */ (["SIGHUP", "SIGINT", "SIGTERM"]);

/** @param {NodeJS.Signals} signal */
export function exitCodeOf(signal) {
  return 128 + constants.signals[signal];
}

/** A signal ends this process, and whatever it has started with it. */
export function endChildrenBySignal() {
  for (const signal of STOP_SIGNALS) {
    // Not once: Ctrl-C in a terminal comes twice, and the second would end this process before it is through.
    process.on(signal, () => {
      for (const child of living) child.kill();
      process.exit(exitCodeOf(signal));
    });
  }
}

/** A parent that was killed cannot pass that on: this process ends as by a signal once it has another. */
export function endWithParent() {
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && process.kill(process.pid, "SIGTERM"), PARENT_LOOK_MS).unref();
}

/**
 * @param {string} said by a program that failed
 * @returns {string} its beginning, in one line
 */
export function firstLines(said) {
  return said.trim().split("\n").slice(0, 5).join(" | ");
}

export class Child {
  /** Resolves with the exit code, or the signal's name. */
  exited;
  #program;
  #lines;
  #isLate = false;

  /**
   * @param {string[]} command
   * @param {number} deadlineMs after which it is killed
   */
  constructor(command, deadlineMs) {
    this.#program = new Subprocess(command, { stdin: "pipe" });
    living.add(this);
    // A program that has gone already cannot be told anything: its exit code says more.
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

  /** What it has said on standard error, its beginning. */
  get complaint() {
    return firstLines(this.#program.stderr);
  }

  /** @returns {number} */
  get pid() {
    return this.#program.pid ?? 0;
  }

  /** @returns {Promise<string | undefined>} the next line of its output; undefined when there is none any more */
  async line() {
    const { value, done } = await this.#lines.next();
    return done ? undefined : value[0];
  }

  /**
   * @param {string} what is waited for, for the message
   * @returns {Promise<string>} the next line of its output
   */
  async expectLine(what) {
    const line = await this.line();
    if (line !== undefined) return line;
    const how = await this.exited;
    throw new Error(`${what} was awaited, and the program ended (${how}) ${this.complaint}`);
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
