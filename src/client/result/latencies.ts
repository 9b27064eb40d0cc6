// Reads the latencies of a client run from the histograms of its workers, and summarizes
// them for the result.
import { readHistogram } from "../../engine/metrics.js";
import type { WorkerMemory } from "../../engine/worker-memory.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import { summarizeLatency } from "../../results/histogram/summarize.js";
import { HISTOGRAM } from "../metrics.js";

export interface ConnectHistograms {
  readonly connect: Histogram;
  readonly tls: Histogram;
  readonly handshake: Histogram;
  readonly firstByte: Histogram;
  readonly roundTrip: Histogram;
  readonly delivery: Histogram;
}

/** Reads the latencies of a run since its start, or since the last reset. */
export class Latencies {
  readonly #workers: { readonly memories: readonly WorkerMemory[] };
  /** Histograms at the last reset. */
  #before: ConnectHistograms | undefined;

  constructor(workers: { readonly memories: readonly WorkerMemory[] }) {
    this.#workers = workers;
  }

  read(): ConnectHistograms {
    return readHistograms(this.#workers.memories, this.#before);
  }

  reset(): void {
    this.#before = readHistograms(this.#workers.memories);
  }
}

export function summarizeLatencies(histograms: ConnectHistograms): ConnectResult["latency"] {
  return {
    connect: summarizeLatency(histograms.connect),
    tls: histograms.tls.count > 0 ? summarizeLatency(histograms.tls) : undefined,
    handshake: histograms.handshake.count > 0 ? summarizeLatency(histograms.handshake) : undefined,
    firstByte: summarizeLatency(histograms.firstByte),
    roundTrip: summarizeLatency(histograms.roundTrip),
    delivery: histograms.delivery.count > 0 ? summarizeLatency(histograms.delivery) : undefined,
  };
}

/**
 * Sums the histograms of all workers.
 * @param before histograms to subtract: those read at the last reset
 */
function readHistograms(memories: readonly WorkerMemory[], before?: ConnectHistograms): ConnectHistograms {
  const read = (place: number, earlier?: Histogram) => {
    const histogram = readHistogram(memories, place);
    if (earlier) histogram.subtract(earlier);
    return histogram;
  };
  return {
    connect: read(HISTOGRAM.connectUs, before?.connect),
    tls: read(HISTOGRAM.tlsUs, before?.tls),
    handshake: read(HISTOGRAM.handshakeUs, before?.handshake),
    firstByte: read(HISTOGRAM.firstByteUs, before?.firstByte),
    roundTrip: read(HISTOGRAM.roundTripUs, before?.roundTrip),
    delivery: read(HISTOGRAM.deliveryUs, before?.delivery),
  };
}
