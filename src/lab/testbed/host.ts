// One of the lab's two hosts, a network namespace or this host: runs programs in it, reads and writes its settings.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { LabTestbed } from "../../results/lab/lab.js";
import { AppError } from "../../util/errors.js";
import { NODE_START_MS, Subprocess, type SubprocessOptions } from "../../util/subprocess.js";

/**
 * A command prefix: what follows gets SIGKILL when the thread that started it ends, however that ends (man 2
 * PR_SET_PDEATHSIG). It is the last to set before the program: the kernel forgets it when privileges change.
 */
export const DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"] as const;

/** What programs say when the kernel or a container forbids it: EPERM, EACCES, EROFS. */
const FORBIDDEN = /Operation not permitted|Permission denied|Read-only file system/;

/** A server and a client that can reach each other. */
export interface HostPair {
  readonly description: LabTestbed;
  readonly server: Host;
  readonly client: Host;
  /** Ends what was started in the hosts, and the hosts. */
  close(): Promise<void>;
}

export interface HostSettings {
  readonly name: "server" | "client";
  readonly ips: readonly string[];
  readonly peerIps: readonly string[];
  readonly device: string;
  readonly isNamespace: boolean;
  /** The command prefix by which a program runs in it. */
  readonly enter: readonly string[];
}

export interface RunOptions {
  /** Soft and hard RLIMIT_NOFILE; as this process has them unless given. */
  readonly nofileLimit?: number;
}

/** What a host shares with its parts. */
interface Parent {
  readonly running: Set<Subprocess>;
  readonly before: Map<string, string>;
  readonly isOver: () => boolean;
}

export class Host {
  readonly name: "server" | "client";
  /** Its addresses, those of its loopback left out. */
  readonly ips: readonly string[];
  /** The other host's. */
  readonly peerIps: readonly string[];
  /** The network interface that leads to the other host. */
  readonly device: string;
  readonly #settings: HostSettings;
  readonly #running: Set<Subprocess>;
  readonly #isOver: () => boolean;
  /** Settings that were changed, as they were before. */
  readonly #before: Map<string, string>;
  #isClosed = false;

  /** @param of the host of which it is a part, see within() */
  constructor(settings: HostSettings, of?: Parent) {
    this.name = settings.name;
    this.ips = settings.ips;
    this.peerIps = settings.peerIps;
    this.device = settings.device;
    this.#settings = settings;
    this.#running = of?.running ?? new Set();
    this.#isOver = of?.isOver ?? (() => false);
    this.#before = of?.before ?? new Map();
  }

  /** The same host until a signal is aborted: from then on nothing can be started in it by who has only this. */
  within(signal: AbortSignal): Host {
    return new Host(this.#settings, {
      running: this.#running,
      before: this.#before,
      isOver: () => this.#isClosed || this.#isOver() || signal.aborted,
    });
  }

  /** Starts this program in it: `run(["serve", "10.77.0.1:7777"])`. */
  run(args: readonly string[], { nofileLimit }: RunOptions = {}): Subprocess {
    const limit = nofileLimit === undefined ? [] : ["sh", "-c", `ulimit -n ${nofileLimit} && exec "$@"`, "sh"];
    return this.#start([...limit, process.execPath, ownProgram(), ...args], {
      name: `fourtuple ${args.join(" ")}`,
      stopsWithUs: true,
      startLimitMs: NODE_START_MS,
    });
  }

  /**
   * Runs another program in it to its end.
   *
   * @returns what it wrote on standard output
   * @throws {AppError} E_PLATFORM when it is not installed, E_PERMISSION when it is forbidden, E_SYSTEM when its exit code is
   * another than 0
   */
  async exec(command: string, args: readonly string[]): Promise<string> {
    return this.#run(command, [command, ...args]);
  }

  /**
   * The same of a file of Node's, which has to print something before its work: see NODE_START_MS.
   *
   * @throws {AppError} as exec()
   */
  async execNode(file: string, args: readonly string[]): Promise<string> {
    return this.#run(file, [process.execPath, file, ...args], NODE_START_MS);
  }

  async #run(command: string, line: readonly string[], startLimitMs = 0): Promise<string> {
    const started = this.#start(line, { name: command, startLimitMs });
    const { code, stdout, stderr } = await started.result;
    if (code === 0) return stdout;
    // The shell says `not found`; the programs of the prefix say what it is that they cannot execute.
    const missing = /failed to execute (\S+):/.exec(stderr)?.[1] ?? command;
    const facts = { command: line.join(" ") };
    if (code === 127) throw new AppError("E_PLATFORM", `${missing} is not installed`, { facts });
    if (started.fix !== undefined) throw started.failure(`${command} ended early`);
    const why = stderr.trim() || `${command} ended with ${code}`;
    throw new AppError(FORBIDDEN.test(stderr) ? "E_PERMISSION" : "E_SYSTEM", why, { facts });
  }

  /** A setting as this host has it, `net.ipv4.ip_local_port_range`; undefined where it does not exist. */
  async readSysctl(name: string): Promise<string | undefined> {
    const { code, stdout } = await this.#start(["cat", pathOf(name)]).result;
    return code === 0 ? stdout.trim() : undefined;
  }

  /**
   * Changes a setting of this host, which takes it along when it goes.
   *
   * @throws {AppError} E_PERMISSION when others would see the change or it is forbidden, E_SYSTEM when the kernel refuses it
   */
  async setSysctl(name: string, value: string): Promise<void> {
    // The kernel shows a namespace only those of net. that are its own; all the others belong to the whole machine.
    if (!this.#settings.isNamespace || !name.startsWith("net.")) {
      throw new AppError("E_PERMISSION", `${name} cannot be changed for the lab's ${this.name} alone`, {
        fix: "the lab changes settings only in network namespaces: run it as root, or where user namespaces are allowed",
      });
    }
    const before = await this.readSysctl(name);
    if (before !== undefined && !this.#before.has(name)) this.#before.set(name, before);
    await this.exec("sh", ["-c", 'printf "%s\\n" "$1" >"$0"', pathOf(name), value]);
  }

  /** Gives every setting that was changed its first value again. */
  async restoreSysctls(): Promise<void> {
    for (const [name, value] of this.#before) await this.setSysctl(name, value);
  }

  /** Ends what runs in it. */
  async settle(): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.stop()));
  }

  /** Ends what runs in it at once. */
  kill(): void {
    for (const running of this.#running) running.kill("SIGKILL");
  }

  /** Ends what runs in it; nothing can be started any more. */
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

/** Not run when this process has ended before the program was told to end with it. */
function guarded(line: readonly string[]): string[] {
  return ["sh", "-c", 'test "$PPID" = "$0" && exec "$@"', `${process.pid}`, ...line];
}

/** The command line's file, as the package names it. */
function ownProgram(): string {
  const root = new URL("../../../", import.meta.url);
  const { bin } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
  return fileURLToPath(new URL(bin.fourtuple, root));
}

function pathOf(name: string): string {
  return `/proc/sys/${name.replaceAll(".", "/")}`;
}
