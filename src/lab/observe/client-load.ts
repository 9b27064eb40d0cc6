// Connections opened by `connect` in the client's host: held while they are observed, then closed for their result.
import { setTimeout as delay } from "node:timers/promises";
import { lastResult, onSnapshot } from "../../client/event-stream.js";
import type { ConnectSnapshot } from "../../client/snapshot.js";
import { readProcessFacts } from "../../linux/proc/process-facts.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Explained } from "../../results/diagnosis.js";
import { AppError } from "../../util/errors.js";
import type { Subprocess } from "../../util/subprocess.js";
import { formatCount } from "../../util/units.js";
import type { LabContext } from "../experiment.js";
import { commandOf } from "../reproduce.js";
import type { RunOptions } from "../testbed/host.js";

export type ClientLoadResult = Explained<ConnectResult>;

/** A client load is held until it is ended. */
const HOLD = "forever";
const FREEZE_POLL_MS = 5;
/** Settings and resources of this host that may end a client load before it comes to what an experiment is about. */
export const HOST_LIMITS = [
  "nofile",
  "file-max",
  "memory",
  "cgroup-memory",
  "cgroup-memory-high",
  "epoll-watches",
  "memlock",
  "nf-conntrack-max",
];

export class ClientLoad {
  /** The command line, as one types it by hand. */
  readonly command: string;
  readonly process: Subprocess;
  #last: ConnectSnapshot | undefined;

  constructor(process: Subprocess, command: string) {
    this.process = process;
    this.command = command;
    onSnapshot(process, (snapshot) => {
      this.#last = snapshot;
    });
  }

  get last(): ConnectSnapshot | undefined {
    return this.#last;
  }

  /** Stops the program, and waits until it stands still: its sockets go on in the kernel. */
  async freeze(): Promise<void> {
    this.process.kill("SIGSTOP");
    while (!this.process.hasEnded && readProcessFacts(this.process.pid!)?.isStopped === false)
      await delay(FREEZE_POLL_MS);
  }

  /** Closes it, a frozen one too, and reads what it came to. @throws {AppError} E_SYSTEM when it has no result */
  async end(): Promise<ClientLoadResult> {
    if (!this.process.hasEnded) {
      this.process.kill("SIGINT");
      // Afterwards: awake, it might be at its end before, where a signal would take it away without its result.
      this.process.kill("SIGCONT");
    }
    return jsonOf(this.process, this.command);
  }
}

/** The result that a program has printed as JSON, once it has ended. @throws {AppError} E_SYSTEM or E_PERMISSION when it has not */
export async function jsonOf<T>(process: Subprocess, command: string): Promise<T> {
  const result = lastResult((await process.result).stdout);
  if (result === undefined) throw process.failure(`${command} has no result`);
  return result as T;
}

/**
 * For an experiment that is about something else.
 *
 * @throws {AppError} E_PERMISSION when a limit of this host stopped the client load
 */
export function expectRoom({ diagnosis: { finding } }: ClientLoadResult): void {
  if (finding === undefined || !HOST_LIMITS.includes(finding.limit)) return;
  throw new AppError("E_PERMISSION", finding.meaning, { fix: finding.fix });
}

/**
 * Opens a client load from the client's host and waits until all that can be opened is held.
 *
 * @param args of `connect`, the destinations first
 */
export async function gather(
  { testbed, progress }: Pick<LabContext, "testbed" | "progress">,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ClientLoad> {
  // With RST: a TIME_WAIT that an experiment leaves would be in the way of the next one.
  const close = args.includes("--close") ? [] : ["--close", "rst"];
  const line = ["connect", ...args, ...close, "-T", HOLD, "--authorized", "--json"];
  const clientLoad = new ClientLoad(testbed.client.run(line, options), commandOf(["connect", ...args]));
  await new Promise<void>((resolve) => {
    onSnapshot(clientLoad.process, ({ stage, open, requested }) => {
      progress(`${formatCount(open)} of ${formatCount(requested)} connections`);
      if (stage === "hold") resolve();
    });
    // One that fails at once never holds: its result says why.
    clientLoad.process.result.then(
      () => resolve(),
      () => resolve(),
    );
  });
  return clientLoad;
}

/** Starts `serve` in the server's host and waits until it listens. @param args after the address */
export async function startServer(
  { testbed }: Pick<LabContext, "testbed">,
  at: string,
  args: readonly string[] = ["--log", "none"],
): Promise<{ readonly process: Subprocess; readonly command: string; end(): Promise<void> }> {
  const line = ["serve", at, ...args];
  const process = testbed.server.run(line);
  await process.prints(/listening on/);
  return { process, command: commandOf(line), end: () => process.stop() };
}
