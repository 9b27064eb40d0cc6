// Collects the host's figures once for Prometheus. A collector that fails is left out and reported;
// the others continue.
import { type LimitUse, readLimitUse, readNamespaceLimitUse } from "../../capacity/limits/use.js";
import { readConntrackStats, readSoftnetStats } from "../../linux/proc/net-stats.js";
import { pageBytes, readMeminfo, readSockstat } from "../../linux/proc/procfs.js";
import type { Family } from "../../output/prometheus/families.js";
import { exporterFamilies, hostFamilies, type NamespaceValues } from "../../output/prometheus/host.js";
import { namespacesFamilies, netnsNames } from "../../output/prometheus/namespaces.js";
import { portsFamilies } from "../../output/prometheus/ports.js";
import { processFamilies } from "../../output/prometheus/process.js";
import type { Scope } from "../../results/limits.js";
import type { SourceName } from "../../results/sockets/owners.js";
import { listenerQueues, StateCounts } from "../../socket-table/listeners/accept-queues.js";
import { DropTotals } from "../../socket-table/listeners/drop-totals.js";
import { NamespacePortsReader } from "../../socket-table/namespaces/ports.js";
import { cachedRules } from "../../socket-table/ports/nat-rule-cache.js";
import { pressure } from "../../socket-table/ports/pressure.js";

/** Scopes of the limits that the programs of a host share. */
const SCOPES: readonly Scope[] = ["host", "namespace"];

interface Sockets {
  readonly families: readonly Family[];
  readonly source: SourceName | undefined;
  /** Other network namespaces, if requested. */
  readonly elsewhere: readonly NamespaceValues[];
}

const NO_SOCKETS: Sockets = { families: [], source: undefined, elsewhere: [] };

export class HostReader {
  readonly #top: number;
  readonly #version: string;
  readonly #failed: (collector: string, error: unknown) => void;
  readonly #readSockets: () => Promise<Sockets>;
  #readings = 0;

  /**
   * @param top number of rows in each family
   * @param failed called for each collector that fails
   * @param allNetns whether to read all network namespaces
   */
  constructor(
    top: number,
    version: string,
    failed: (collector: string, error: unknown) => void,
    allNetns: boolean = false,
  ) {
    this.#top = top;
    this.#version = version;
    this.#failed = failed;
    this.#readSockets = allNetns ? everywhere(top) : here(top);
  }

  async read(): Promise<Family[]> {
    const before = process.cpuUsage();
    const collectors: { name: string; isOk: boolean; seconds: number }[] = [];
    const collect = async <Read>(name: string, otherwise: Read, read: () => Promise<Read> | Read): Promise<Read> => {
      const startMs = performance.now();
      let isOk = true;
      try {
        return await read();
      } catch (error) {
        isOk = false;
        this.#failed(name, error);
        return otherwise;
      } finally {
        collectors.push({ name, isOk, seconds: (performance.now() - startMs) / 1000 });
      }
    };
    const { families, source, elsewhere } = await collect("sockets", NO_SOCKETS, this.#readSockets);
    const host = await collect<Family[]>("limits", [], () => readHostFamilies(elsewhere, this.#top));
    const { user, system } = process.cpuUsage(before);
    const exporter = exporterFamilies({
      version: this.#version,
      source,
      collectors,
      cpuSeconds: (user + system) / 1e6,
      readings: ++this.#readings,
    });
    return [...families, ...host, ...exporter, ...processFamilies()];
  }
}

/** Returns a reader of this process's network namespace. */
function here(top: number): () => Promise<Sockets> {
  const readRules = cachedRules();
  const drops = new DropTotals();
  return async () => {
    // Read one row more than is shown, which is then the highest of the rows that are aggregated.
    const states = new StateCounts();
    const ports = await pressure({ top: top + 1 }, [states], readRules);
    const queues = await listenerQueues({}, states, drops);
    return { families: portsFamilies([{ pressure: ports, queues }], top), source: ports.source, elsewhere: [] };
  };
}

/** Returns a reader of all network namespaces. */
function everywhere(top: number): () => Promise<Sockets> {
  const reader = new NamespacePortsReader(top + 1, readNamespace);
  return async () => {
    const { namespaces, refused, unreadable } = await reader.read();
    const names = netnsNames(namespaces);
    const named = namespaces.map((namespace, index) => ({ ...namespace, netns: names[index] }));
    const size = ({ queues }: (typeof named)[number]) => [...queues.byState.values()].reduce((a, b) => a + b, 0);
    const largest = named.toSorted((a, b) => size(b) - size(a)).slice(0, top);
    return {
      families: [
        ...portsFamilies(named, top),
        ...namespacesFamilies({ named: largest, read: named.length, refused, unreadable }),
      ],
      source: namespaces[0]?.pressure.source,
      elsewhere: named.flatMap(({ netns, more }) => (netns === undefined ? [] : [{ netns, ...more }])),
    };
  };
}

function readNamespace(): { readonly limits: LimitUse[]; readonly conntrack: Record<string, number> } {
  return { limits: readNamespaceLimitUse(), conntrack: readConntrackStats() };
}

function readHostFamilies(elsewhere: readonly NamespaceValues[], top: number): Family[] {
  const { Slab, PageTables, KernelStack } = readMeminfo();
  const pages = readSockstat()["TCP.mem"];
  const values = {
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
    elsewhere,
  };
  return hostFamilies(values, top);
}
