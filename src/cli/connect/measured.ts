// Measures what the panel shows besides the snapshot: latencies, rates since the start, and the limit that
// will be reached next.

import { Headroom, usageOfTuples } from "../../capacity/limits/headroom.js";
import { ConnectRun } from "../../client/run.js";
import type { ConnectSnapshot } from "../../client/snapshot.js";
import type { Progress } from "../../output/text/connect-progress.js";
import { Trend } from "../../output/text/sparkline.js";

const MEASURE_MS = 1000;

/** Figures of the panel that take some CPU to read, and are therefore read only once per second. */
export class Measured {
  readonly #run: ConnectRun;
  readonly #headroom = new Headroom();
  readonly #trend = new Trend();
  #readMs = Number.NEGATIVE_INFINITY;
  #last: Pick<Progress, "latency" | "failures" | "binding"> = {};

  constructor(run: ConnectRun) {
    this.#run = run;
  }

  take(snapshot: ConnectSnapshot, ratePerSec: number): Pick<Progress, "latency" | "failures" | "binding" | "rates"> {
    if (snapshot.stage === "ramp") this.#trend.add(ratePerSec);
    if (snapshot.elapsedMs - this.#readMs >= MEASURE_MS) {
      this.#readMs = snapshot.elapsedMs;
      const tuples = usageOfTuples(snapshot, this.#run.tuplesAvailable);
      this.#last = {
        latency: this.#run.latency(),
        failures: ConnectRun.measure(this.#run).failures,
        binding: this.#headroom.take(snapshot.open, [tuples]).binding,
      };
    }
    return { ...this.#last, rates: this.#trend.values };
  }
}
