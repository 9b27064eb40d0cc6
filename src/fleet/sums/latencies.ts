// The latencies of a run in progress: what an agent sends of them with a heartbeat, and their sums over all agents.
import type { ConnectHistograms } from "../../client/result/latencies.js";
import { type CoarseHistogram, coarsen, sumOfCoarse } from "../../results/histogram/coarse.js";
import type { Histogram } from "../../results/histogram/histogram.js";

/** Histograms with values by name in the role's metrics, such as `connectUs`. */
export type CoarseHistograms = Readonly<Record<string, CoarseHistogram>>;

interface Measured {
  readonly histograms: CoarseHistograms;
}

/** @param loads histograms of an agent's loads by name, in microseconds */
export function coarseSums(loads: readonly Readonly<Record<string, Histogram>>[]): CoarseHistograms {
  const names = Object.keys(loads[0] ?? {});
  const sums = names.map((name) => [name, coarsen(loads.map((histograms) => histograms[name]!))] as const);
  return Object.fromEntries(sums.filter(([, { length }]) => length > 0));
}

/** Returns a histogram over all agents; lost ones count until their last heartbeat. */
export function histogramOf(members: readonly Measured[], name: string): Histogram {
  return sumOfCoarse(members.flatMap(({ histograms }) => (histograms[name] ? [histograms[name]] : [])));
}

/** Returns the latencies of clients over all agents. */
export function latenciesOf(members: readonly Measured[]): ConnectHistograms {
  const sum = (name: keyof ConnectHistograms) => histogramOf(members, `${name}Us`);
  return {
    connect: sum("connect"),
    tls: sum("tls"),
    handshake: sum("handshake"),
    firstByte: sum("firstByte"),
    roundTrip: sum("roundTrip"),
    delivery: sum("delivery"),
  };
}
