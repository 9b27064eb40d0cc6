// Makes several summaries, which `fourtuple ports` shows together, from a single pass over the table.
import { readTcpExtensions } from "../linux/proc/procfs.js";
import type { Pressure } from "../results/sockets/pressure.js";
import type { SocketTable } from "../results/sockets/socket-table.js";
import type { Churn } from "./churn.js";
import { type SocketFilter, toQuery } from "./filter.js";
import { KnownListeners } from "./listeners/listeners.js";
import { type PressureOptions, PressureSummary } from "./ports/pressure.js";
import { readTogether } from "./sources/together.js";
import { startReading, type TableOptions, TableSummary } from "./summary.js";

export interface OverviewRequest {
  /** A query that matches at least the sockets that the summaries need. */
  readonly cover: SocketFilter;
  readonly tables: readonly TableOptions[];
  /**
   * Whether to leave out pools of bound ports and NAT's ports, both of which need separate passes.
   */
  readonly pressure?: PressureOptions | undefined;
  readonly churn?: Churn | undefined;
}

export interface Overview {
  /** The summaries, in the order requested. */
  readonly tables: readonly SocketTable[];
  readonly pressure: Pressure | undefined;
}

/** @throws {AppError} E_PERMISSION or E_SYSTEM when the table cannot be read */
export async function readOverview({ cover, tables, pressure, churn }: OverviewRequest): Promise<Overview> {
  const start = startReading();
  const known = await KnownListeners.read(cover.source);
  const summaries = tables.map((options) => new TableSummary(options, known));
  const ports = pressure && new PressureSummary(pressure, known);
  const parts = [...summaries, ports, churn].filter((part) => part !== undefined);
  const read = await readTogether({ ...toQuery(cover), tuplesOnly: true }, parts, known);
  const counters = readTcpExtensions();
  return {
    tables: summaries.map((summary) => summary.result(start, read, counters)),
    pressure: ports?.result(start, read),
  };
}
