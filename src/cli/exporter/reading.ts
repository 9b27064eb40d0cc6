// Collects the host's figures once for Prometheus. A collector that fails is left out and reported;
// the others continue.
import { readLimitUse } from "../../capacity/limits/use.js";
import { readConntrackStats, readSoftnetStats } from "../../linux/proc/net-stats.js";
import { pageBytes, readMeminfo, readSockstat } from "../../linux/proc/procfs.js";
import type { Family } from "../../output/prometheus/families.js";
import { exporterFamilies, type HostValues, hostFamilies } from "../../output/prometheus/host.js";
import { portsFamilies } from "../../output/prometheus/ports.js";
import { processFamilies } from "../../output/prometheus/process.js";
import type { Scope } from "../../results/limits.js";
import { listenerQueues, StateCounts } from "../../socket-table/listeners/accept-queues.js";
import { DropTotals } from "../../socket-table/listeners/drop-totals.js";
import { cachedRules } from "../../socket-table/ports/nat-rule-cache.js";
import { pressure } from "../../socket-table/ports/pressure.js";

/** Scopes of the limits that the programs of a host share. */
const SCOPES: readonly Scope[] = ["host", "namespace"];

export class HostReader {
  readonly #top: number;
  readonly #version: string;
  readonly #failed: (collector: string, error: unknown) => void;
  readonly #readRules = cachedRules();
  readonly #drops = new DropTotals();
  #readings = 0;

  /**
   * @param top number of rows in each family
   * @param failed called for each collector that fails
   */
  constructor(top: number, version: string, failed: (collector: string, error: unknown) => void) {
    this.#top = top;
    this.#version = version;
    this.#failed = failed;
  }

  async read(): Promise<Family[]> {
    const before = process.cpuUsage();
    const collectors: { name: string; isOk: boolean; seconds: number }[] = [];
    let source: string | undefined;
    const collect = async (name: string, read: () => Promise<Family[]> | Family[]): Promise<Family[]> => {
      const startMs = performance.now();
      let isOk = true;
      try {
        return await read();
      } catch (error) {
        isOk = false;
        this.#failed(name, error);
        return [];
      } finally {
        collectors.push({ name, isOk, seconds: (performance.now() - startMs) / 1000 });
      }
    };
    const sockets = await collect("sockets", async () => {
      // Read one row more than is shown, which is then the highest of the rows that are aggregated.
      const states = new StateCounts();
      const ports = await pressure({ top: this.#top + 1 }, [states], this.#readRules);
      source = ports.source;
      return portsFamilies(ports, await listenerQueues({}, states, this.#drops), this.#top);
    });
    const host = await collect("limits", () => hostFamilies(readHostValues()));
    const { user, system } = process.cpuUsage(before);
    const exporter = exporterFamilies({
      version: this.#version,
      source,
      collectors,
      cpuSeconds: (user + system) / 1e6,
      readings: ++this.#readings,
    });
    return [...sockets, ...host, ...exporter, ...processFamilies()];
  }
}

function readHostValues(): HostValues {
  const { Slab, PageTables, KernelStack } = readMeminfo();
  const pages = readSockstat()["TCP.mem"];
  return {
    // The exporter's own process, user and cgroup say nothing about the programs of this host.
    limits: readLimitUse().filter(({ scope }) => SCOPES.includes(scope)),
    conntrack: readConntrackStats(),
    softnetDrops: readSoftnetStats()?.dropped,
    memoryBytes: {
      slab: Slab,
      page_tables: PageTables,
      kernel_stack: KernelStack,
      tcp: pages === undefined ? undefined : pages * pageBytes(),
    },
  };
}
