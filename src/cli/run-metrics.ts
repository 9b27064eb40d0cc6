// The endpoint of `--metrics`: serves a run's metrics for as long as the command runs.
import { Option } from "commander";
import type { Collect, MetricsServer } from "../output/prometheus/server.js";
import { printNote } from "../output/terminal/output.js";
import { noteIfReachable } from "./reachable.js";

/** Returns the `--metrics` option of every command that runs connections. */
export function metricsOption(): Option {
  return new Option("--metrics <host:port>", "serve metrics for Prometheus, such as on 127.0.0.1:9476");
}

export class RunMetrics {
  readonly url: string;
  readonly #server: MetricsServer;
  #collect: Collect = () => [];

  /**
   * Starts serving before the run starts, so that a port in use is reported early.
   *
   * @param listen value of `--metrics`; if undefined, nothing is served
   * @throws {AppError} as serveMetrics()
   */
  static async open(listen: string | undefined): Promise<RunMetrics | undefined> {
    if (listen === undefined) return undefined;
    const { serveMetrics } = await import("../output/prometheus/server.js");
    const metrics: RunMetrics = new RunMetrics(await serveMetrics(listen, () => metrics.#collect()));
    return metrics;
  }

  private constructor(server: MetricsServer) {
    this.#server = server;
    this.url = server.url;
    showMetrics(server.url);
    noteIfReachable(server.ip, "read it");
  }

  /** Serves the values of this run from now on. */
  show(collect: Collect): void {
    this.#collect = collect;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
  }
}

/** Prints the address of metrics. */
export function showMetrics(url: string): void {
  printNote(`metrics on ${url}`);
}
