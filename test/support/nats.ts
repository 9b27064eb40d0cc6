// A nats-server for tests, at a port of the kernel's choice, and agents that are connected to it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { hasProgram, startCli, TestProcess } from "./process.js";

export const HAS_NATS = hasProgram("nats-server");

export class NatsServer {
  readonly #directory = mkdtempSync(join(tmpdir(), "fourtuple-nats-"));
  readonly #args: readonly string[];
  readonly #files: string[] = [];
  #process: TestProcess;
  #url = "";

  private constructor(args: readonly string[]) {
    this.#args = ["-a", "127.0.0.1", "-sd", this.#directory, ...args];
    this.#process = this.#start("-1");
  }

  /**
   * Starts a server, which the caller stops.
   * @param args further arguments, such as `["-js"]`
   */
  static async start(args: readonly string[]): Promise<NatsServer> {
    const server = new NatsServer(args);
    await server.#listens();
    return server;
  }

  /** Starts a server with lines of its configuration file. */
  static async configured(...lines: readonly string[]): Promise<NatsServer> {
    const file = join(mkdtempSync(join(tmpdir(), "fourtuple-nats-")), "nats.conf");
    writeFileSync(file, lines.join("\n"));
    const server = await NatsServer.start(["-c", file]);
    server.#files.push(dirname(file));
    return server;
  }

  get url(): string {
    return this.#url;
  }

  /** Kills the server, and starts it again at the same port with what it had stored. */
  async restart(): Promise<void> {
    await this.#process.kill();
    this.#process = this.#start(new URL(this.#url).port);
    await this.#listens();
  }

  async stop(): Promise<void> {
    await this.#process.kill();
    for (const path of [this.#directory, ...this.#files]) rmSync(path, { recursive: true, force: true });
  }

  /** Its log goes to standard error. */
  #start(port: string): TestProcess {
    return new TestProcess("sh", ["-c", 'exec nats-server "$@" 2>&1', "sh", ...this.#args, "-p", port]);
  }

  async #listens(): Promise<void> {
    const [, at] = await this.#process.prints(/Listening for client connections on (\S+:\d+)[\s\S]*Server is ready/);
    this.#url = `nats://${at}`;
  }
}

/** Starts `fourtuple agent`, and waits until it is connected. */
export async function startAgentProcess(url: string, name: string, args: readonly string[] = []): Promise<TestProcess> {
  const agent = startCli(["agent", "--nats", url, "--name", name, ...args]);
  await agent.prints(/waits for runs/);
  return agent;
}
