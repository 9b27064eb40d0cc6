// Runs a server in a separate process, so that CPU time and memory can be measured for each side.
import { readCpuSeconds } from "../../linux/proc/process-facts.js";
import { readResidentBytes } from "../../linux/proc/procfs.js";
import { ownCommand } from "../../util/program/files.js";
import { NODE_START_MS, Subprocess } from "../../util/subprocess.js";

export class ServerProcess implements AsyncDisposable {
  readonly port: number;
  readonly #process: Subprocess;

  private constructor(process: Subprocess, port: number) {
    this.#process = process;
    this.port = port;
  }

  /**
   * Starts `fourtuple serve` on a free port of 127.0.0.1 and waits until it listens.
   *
   * @param args options of `serve`
   * @throws {AppError} E_SYSTEM, E_PERMISSION or E_PLATFORM if the server cannot be started
   */
  static async start(scheme: string, args: readonly string[]): Promise<ServerProcess> {
    const line = ["serve", `${scheme}://127.0.0.1:0`, "--log", "none", "--json", ...args];
    const server = new Subprocess(ownCommand(...line), {
      name: "the server to measure with",
      detached: true,
      stopsWithUs: true,
      startLimitMs: NODE_START_MS,
    });
    const [event] = await server.prints(/^\{"event":"listening".*$/m);
    return new ServerProcess(server, JSON.parse(event).port);
  }

  get cpuSeconds(): number {
    return readCpuSeconds(this.#process.pid!) ?? Number.NaN;
  }

  get residentBytes(): number {
    return readResidentBytes(this.#process.pid!) ?? Number.NaN;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
  }
}
