// Reads port pressure, accept queues and states of every network namespace, for monitoring.
import type { NetNamespace } from "../../linux/proc/net-namespaces.js";
import { TCP_LISTEN } from "../../linux/syscalls/constants.js";
import type { Pressure } from "../../results/sockets/pressure.js";
import { type ListenerQueues, listenerQueues, StateCounts } from "../listeners/accept-queues.js";
import { DropTotals } from "../listeners/drop-totals.js";
import { KnownListeners } from "../listeners/listeners.js";
import { BoundPools } from "../ports/bound-pools.js";
import { cachedRules } from "../ports/nat-rule-cache.js";
import { PressureSummary } from "../ports/pressure.js";
import { readTranslatedPorts } from "../ports/translated-ports.js";
import { ALL_STATES, type SocketQuery } from "../query.js";
import { startReading } from "../summary.js";
import type { SocketVisit, TableRead } from "../table.js";
import { describeNamespace, type NamespaceIdentity } from "./describe.js";
import { type NamespaceReader, readEachNamespace } from "./each.js";

const COVER: SocketQuery = { states: ALL_STATES & ~(1 << TCP_LISTEN), tuplesOnly: true };

/** What a namespace's later readings need of its earlier ones. */
class Kept {
  readonly drops = new DropTotals();
  readonly readRules = cachedRules();
}

export interface NamespacePorts<More> extends NamespaceIdentity {
  readonly pressure: Pressure;
  readonly queues: ListenerQueues;
  /** What the caller read in the namespace. */
  readonly more: More;
}

export interface AllPorts<More> {
  /** This process's own namespace first. */
  readonly namespaces: readonly NamespacePorts<More>[];
  /** Number of namespaces that could not be entered. */
  readonly refused: number;
  /** Number of processes whose namespace cannot be read. */
  readonly unreadable: number;
}

/** Reads all namespaces repeatedly. */
export class NamespacePortsReader<More> {
  readonly #top: number;
  readonly #readMore: () => More;
  #kept = new Map<number, Kept>();

  /**
   * @param top number of rows in each ranking of each namespace
   * @param readMore called in each namespace
   */
  constructor(top: number, readMore: () => More) {
    this.#top = top;
    this.#readMore = readMore;
  }

  /** @throws {AppError} as readEachNamespace() */
  async read(): Promise<AllPorts<More>> {
    const kept = new Map<number, Kept>();
    const each = await readEachNamespace(COVER, COVER, async ({ inode }: NetNamespace) => {
      const own = this.#kept.get(inode) ?? new Kept();
      kept.set(inode, own);
      return new PortsReader(await KnownListeners.read(undefined), this.#top, own, this.#readMore);
    });
    this.#kept = kept;
    const namespaces: NamespacePorts<More>[] = [];
    for (const { namespace, figures } of each.read)
      namespaces.push({ ...(await describeNamespace(namespace)), ...figures });
    return { namespaces, refused: each.refused.length, unreadable: each.unreadable };
  }
}

type Figures<More> = Omit<NamespacePorts<More>, keyof NamespaceIdentity>;

class PortsReader<More> implements NamespaceReader<Figures<More>> {
  private readonly start = startReading();
  private readonly states = new StateCounts();
  private readonly known: KnownListeners;
  private readonly top: number;
  private readonly kept: Kept;
  private readonly readMore: () => More;
  private readonly ports: PressureSummary;
  private readonly bound: BoundPools;

  constructor(known: KnownListeners, top: number, kept: Kept, readMore: () => More) {
    this.known = known;
    this.top = top;
    this.kept = kept;
    this.readMore = readMore;
    this.ports = new PressureSummary({ top }, known);
    this.bound = new BoundPools(known, this.ports.pool, undefined);
  }

  begin(): SocketVisit {
    const [addPort, addBound, addState] = [this.ports.begin(), this.bound.begin(), this.states.begin()];
    return (socket) => {
      addPort(socket);
      addBound(socket);
      addState(socket);
    };
  }

  async figures(read: TableRead): Promise<Figures<More>> {
    const { known, top, kept, ports, bound } = this;
    const pressure = ports.result(this.start, read);
    await bound.readUnconnected();
    const conditions = { family: undefined, remote: undefined, either: undefined, top };
    const translated = await readTranslatedPorts(known.addresses, conditions, kept.readRules);
    return {
      pressure: { ...pressure, bound: bound.rows(ports.isWanted), translated },
      queues: await listenerQueues({}, this.states, kept.drops),
      more: this.readMore(),
    };
  }
}
