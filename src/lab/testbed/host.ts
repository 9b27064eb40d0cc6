// One of the lab's hosts, which is a network namespace or this host. The class runs programs in the host, and reads
// and writes its settings.
import type { EngineChoice } from "../../results/engine.js";
import type { LabTestbed } from "../../results/lab/lab.js";
import { AppError } from "../../util/errors.js";
import type { Entry } from "../../util/program/entries.js";
import { entryCommand, ownCommand } from "../../util/program/files.js";
import { NODE_START_MS, Subprocess, type SubprocessOptions } from "../../util/subprocess.js";
import type { Link } from "./addresses.js";

/**
 * Command prefix that makes a program receive SIGKILL when the thread that started it exits for any reason
 * (PR_SET_PDEATHSIG(2const)). The prefix must come last before the program, because the kernel clears the setting when
 * privileges change.
 */
export const DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"] as const;

/** Messages of programs for EPERM, EACCES and EROFS. */
const FORBIDDEN = /Operation not permitted|Permission denied|Read-only file system/;

/** Commands with `--engine`. */
const HAVE_ENGINE = ["connect", "serve", "doctor"];

export type HostName = "server" | "client" | "box";

/** A server host and a client host that can reach each other. */
export interface HostPair {
  readonly description: LabTestbed;
  readonly server: Host;
  readonly client: Host;
  /** Ends everything started in the hosts, and removes the hosts. */
  close(): Promise<void>;
  /**
   * Puts a router between the hosts, beside the link that they have with each other; missing over loopback.
   * @param signal once it is aborted, nothing more can be started in the router
   */
  readonly addBox?: (signal: AbortSignal) => Promise<Box>;
}

/** A router with a link to each host. Disposing of it removes it; it also disappears with the hosts. */
export interface Box extends AsyncDisposable {
  readonly host: Host;
  readonly links: { readonly client: Link; readonly server: Link };
}

export interface HostSettings {
  readonly name: HostName;
  readonly ips: readonly string[];
  readonly peerIps: readonly string[];
  readonly device: string;
  readonly isNamespace: boolean;
  /** I/O engine of programs started by run(); default `auto`. */
  readonly engine?: EngineChoice;
  /** Command prefix that runs a program in the host. */
  readonly enter: readonly string[];
}

export interface RunOptions {
  /** Soft and hard RLIMIT_NOFILE; by default, those of this process. */
  readonly nofileLimit?: number;
}

/** State that a host shares with the handles returned by within(). */
interface Parent {
  readonly running: Set<Subprocess>;
  readonly before: Map<string, string>;
  readonly isOver: () => boolean;
  readonly watchers: ProgramWatch[];
}

/**
 * Called for each start of this program in a host.
 * @param args command and options, such as `connect` and its options
 */
export type ProgramWatch = (program: Subprocess, args: readonly string[]) => void;

export class Host {
  readonly name: HostName;
  /** Addresses of the host, excluding loopback. */
  readonly ips: readonly string[];
  /** Addresses of the other host. */
  readonly peerIps: readonly string[];
  /** Network interface towards the other host. */
  readonly device: string;
  readonly #settings: HostSettings;
  readonly #running: Set<Subprocess>;
  readonly #isOver: () => boolean;
  readonly #watchers: ProgramWatch[];
  /** Original values of the settings that were changed. */
  readonly #before: Map<string, string>;
  #isClosed = false;

  /**
   * @param of the shared state, for a handle to an existing host; see within()
   */
  constructor(settings: HostSettings, of?: Parent) {
    this.name = settings.name;
    this.ips = settings.ips;
    this.peerIps = settings.peerIps;
    this.device = settings.device;
    this.#settings = settings;
    this.#running = of?.running ?? new Set();
    this.#isOver = of?.isOver ?? (() => false);
    this.#before = of?.before ?? new Map();
    this.#watchers = of?.watchers ?? [];
  }

  /**
   * Returns a handle to the same host that can start programs only until the signal is aborted.
   *
   * @param engine I/O engine of programs started by run()
   */
  within(signal: AbortSignal, engine: EngineChoice = "auto"): Host {
    const settings = { ...this.#settings, engine };
    return new Host(settings, {
      running: this.#running,
      before: this.#before,
      watchers: this.#watchers,
      isOver: () => this.#isClosed || this.#isOver() || signal.aborted,
    });
  }

  /** Watches the programs that run() starts, including those started through handles from within(). */
  watch(watcher: ProgramWatch): void {
    this.#watchers.push(watcher);
  }

  /** Starts this program in the host, as in `run(["serve", "10.77.0.1:7777"])`. */
  run(args: readonly string[], { nofileLimit }: RunOptions = {}): Subprocess {
    const limit = nofileLimit === undefined ? [] : ["sh", "-c", `ulimit -n ${nofileLimit} && exec "$@"`, "sh"];
    const { engine = "auto" } = this.#settings;
    // A run restricted to one descriptor table cannot use io_uring.
    const decides = HAVE_ENGINE.includes(args[0]!) && !args.includes("--one-table");
    const choice = engine !== "auto" && decides ? ["--engine", engine] : [];
    const program = this.#start([...limit, ...ownCommand(...args, ...choice)], {
      name: `fourtuple ${args.join(" ")}`,
      stopsWithUs: true,
      startLimitMs: NODE_START_MS,
    });
    for (const watch of this.#watchers) watch(program, args);
    return program;
  }

  /**
   * Starts another program in the host, which close() stops.
   * @param name of the program in error messages
   */
  start(name: string, line: readonly string[]): Subprocess {
    return this.#start(line, { name });
  }

  /**
   * Runs another program in the host and waits for it to exit.
   *
   * @returns its standard output
   * @throws {AppError} E_PLATFORM if the program is not installed, E_PERMISSION if it is forbidden, E_SYSTEM if its
   *   exit code is not 0
   */
  async exec(command: string, args: readonly string[]): Promise<string> {
    return this.#run(command, [command, ...args]);
  }

  /**
   * Runs a helper program, which must print something before it starts working; see NODE_START_MS.
   *
   * @throws {AppError} the same codes as exec()
   */
  async execEntry(entry: Entry, ...args: readonly string[]): Promise<string> {
    return this.#run(entry, entryCommand(entry, ...args), NODE_START_MS);
  }

  async #run(command: string, line: readonly string[], startLimitMs = 0): Promise<string> {
    const started = this.#start(line, { name: command, startLimitMs });
    const { code, stdout, stderr } = await started.result;
    if (code === 0) return stdout;
    // The shell reports `not found`; the programs in the prefix name the command that they failed to execute.
    const missing = /failed to execute (\S+):/.exec(stderr)?.[1] ?? command;
    const facts = { command: line.join(" ") };
    if (code === 127) throw new AppError("E_PLATFORM", `${missing} is not installed`, { facts });
    if (started.fix !== undefined) throw started.failure(`${command} stopped early`);
    const why = stderr.trim() || `${command} exited with ${code}`;
    throw new AppError(FORBIDDEN.test(stderr) ? "E_PERMISSION" : "E_SYSTEM", why, { facts });
  }

  /** Reads a host setting, such as `net.ipv4.ip_local_port_range`; undefined if it does not exist. */
  async readSysctl(name: string): Promise<string | undefined> {
    const { code, stdout } = await this.#start(["cat", pathOf(name)]).result;
    return code === 0 ? stdout.trim() : undefined;
  }

  /**
   * Changes a host setting. The change disappears with the host.
   *
   * @throws {AppError} E_PERMISSION if the change would affect other hosts or is forbidden, E_SYSTEM if the kernel
   *   rejects the value
   */
  async setSysctl(name: string, value: string): Promise<void> {
    // A namespace exposes only the `net.` settings that belong to it. All other settings apply to the whole machine.
    if (!this.#settings.isNamespace || !name.startsWith("net.")) {
      throw new AppError("E_PERMISSION", `${name} cannot be changed for the lab's ${this.name} alone`, {
        fix: "the lab changes settings only in network namespaces: run it as root, or where user namespaces are allowed",
      });
    }
    const before = await this.readSysctl(name);
    if (before !== undefined && !this.#before.has(name)) this.#before.set(name, before);
    await this.exec("sh", ["-c", 'printf "%s\\n" "$1" >"$0"', pathOf(name), value]);
  }

  /** Restores all changed settings. */
  async restoreSysctls(): Promise<void> {
    for (const [name, value] of this.#before) await this.setSysctl(name, value);
  }

  /** Stops everything running in the host. */
  async settle(): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.stop()));
  }

  /** Kills everything running in the host. */
  kill(): void {
    for (const running of this.#running) running.kill("SIGKILL");
  }

  /** Stops everything running in the host, and prevents anything else from starting. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.settle();
  }

  #start(line: readonly string[], options: SubprocessOptions = {}): Subprocess {
    const { name = line[0]! } = options;
    if (this.#isClosed || this.#isOver())
      throw new AppError("E_SYSTEM", `the lab's ${this.name} is closed: ${name} cannot be started`);
    const command = [...this.#settings.enter, ...guarded(line)];
    const started = new Subprocess(command, { ...options, name, detached: true });
    this.#running.add(started);
    const forget = () => this.#running.delete(started);
    started.result.then(forget, forget);
    return started;
  }
}

/** Runs the program only if this process is still its parent: it may have exited before PR_SET_PDEATHSIG was set. */
function guarded(line: readonly string[]): string[] {
  return ["sh", "-c", 'test "$PPID" = "$0" && exec "$@"', `${process.pid}`, ...line];
}

function pathOf(name: string): string {
  return `/proc/sys/${name.replaceAll(".", "/")}`;
}
