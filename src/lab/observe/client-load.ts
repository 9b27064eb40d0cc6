// Runs `connect` in the client's host. The connections are held while they are observed, then closed to get the result.
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

/** A client that holds its connections until it is stopped. */
const HOLD = "forever";
const FREEZE_POLL_MS = 5;
/** Settings and resources of this host that may stop a client before it reaches what an experiment tests. */
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
  /** The command line, for typing the command by hand. */
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

  /** Stops the program with SIGSTOP and waits until it has stopped. The program's sockets stay active in the kernel. */
  async freeze(): Promise<void> {
    this.process.kill("SIGSTOP");
    while (!this.process.hasEnded && readProcessFacts(this.process.pid!)?.isStopped === false)
      await delay(FREEZE_POLL_MS);
  }

  /**
   * Stops the client, even a frozen one, and reads its result.
   * @throws {AppError} E_SYSTEM if there is no result
   */
  async end(): Promise<ClientLoadResult> {
    if (!this.process.hasEnded) {
      this.process.kill("SIGINT");
      // Send SIGCONT second: a program woken first might finish before SIGINT arrives, which would then kill it without
      // a result.
      this.process.kill("SIGCONT");
    }
    return jsonOf(this.process, this.command);
  }
}

/**
 * Returns the JSON result of a program once it has exited.
 * @throws {AppError} E_SYSTEM or E_PERMISSION if there is no result
 */
export async function jsonOf<T>(process: Subprocess, command: string): Promise<T> {
  const result = lastResult((await process.result).stdout);
  if (result === undefined) throw process.failure(`${command} has no result`);
  return result as T;
}

/**
 * Fails an experiment whose client was stopped by a limit on this host other than the one under test.
 *
 * @throws {AppError} E_PERMISSION in that case
 */
export function expectRoom({ diagnosis: { finding } }: ClientLoadResult): void {
  if (finding === undefined || !HOST_LIMITS.includes(finding.limit)) return;
  throw new AppError("E_PERMISSION", finding.meaning, { fix: finding.fix });
}

/**
 * Starts a client in the client's host, and waits until it holds all the connections that it could open.
 *
 * @param args arguments of `connect`, starting with the destinations
 * @param options settings of the client, and a function to call for each of its snapshots
 */
export async function gather(
  { testbed, progress }: Pick<LabContext, "testbed" | "progress">,
  args: readonly string[],
  { onProgress, ...options }: RunOptions & { onProgress?: (open: number, client: Subprocess) => void } = {},
): Promise<ClientLoad> {
  // Close with RST, because sockets in TIME_WAIT would interfere with the next experiment.
  const close = args.includes("--close") ? [] : ["--close", "rst"];
  const line = ["connect", ...args, ...close, "-T", HOLD, "--authorized", "--json"];
  const clientLoad = new ClientLoad(testbed.client.run(line, options), commandOf(["connect", ...args]));
  await new Promise<void>((resolve) => {
    onSnapshot(clientLoad.process, ({ stage, open, requested }) => {
      progress(`${formatCount(open)} of ${formatCount(requested)} connections`);
      onProgress?.(open, clientLoad.process);
      if (stage === "hold") resolve();
    });
    // A program that fails at once never reaches the hold stage; its result says why.
    clientLoad.process.result.then(
      () => resolve(),
      () => resolve(),
    );
  });
  return clientLoad;
}

/**
 * Starts `serve` in the server's host and waits until it listens.
 * @param args arguments after the address
 */
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
