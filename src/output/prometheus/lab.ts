// Makes the metrics of the lab while it runs: its experiments, and the connections of the clients that
// are running.
import type { ConnectSnapshot } from "../../client/snapshot.js";
import type { ExperimentResult } from "../../results/lab/lab.js";
import { counter, described, type Family, filled, gauge, type Sample } from "./families.js";
import { processFamilies } from "./process.js";

const PREFIX = "fourtuple_lab";

const LAB = {
  experiments: counter("Finished experiments, by verdict.", "verdict"),
  running: gauge("Always 1; the label is the experiment that is running.", "experiment"),
  connections: gauge(
    "Connections of the running clients: requested, established, in_flight, open, failed or lost so far.",
    "state",
  ),
  messages: gauge("Messages of the running clients: sent or answered so far.", "state"),
};

export const LAB_FAMILIES = described(PREFIX, LAB);

/** The state of the lab, derived from its events. */
export class LabState {
  readonly #verdicts = new Map<string, number>();
  readonly #clients = new Map<number, ConnectSnapshot>();
  #running: string | undefined;

  begin(experiment: string): void {
    this.#running = experiment;
  }

  end(verdict: ExperimentResult["verdict"]): void {
    this.#running = undefined;
    this.#verdicts.set(verdict, (this.#verdicts.get(verdict) ?? 0) + 1);
  }

  /** @param snapshot undefined once the client has exited */
  client(id: number, snapshot: ConnectSnapshot | undefined): void {
    if (snapshot) this.#clients.set(id, snapshot);
    else this.#clients.delete(id);
  }

  families(): Family[] {
    const sum = (of: (snapshot: ConnectSnapshot) => number) =>
      [...this.#clients.values()].reduce((total, snapshot) => total + of(snapshot), 0);
    const states = (values: Readonly<Record<string, number>>) =>
      Object.entries(values).map(([state, value]): Sample => [{ state }, value]);
    return [
      ...filled(PREFIX, LAB, {
        experiments: [...this.#verdicts].map(([verdict, count]): Sample => [{ verdict }, count]),
        running: this.#running === undefined ? [] : [[{ experiment: this.#running }, 1]],
        connections: states({
          requested: sum(({ requested }) => requested),
          established: sum(({ established }) => established),
          in_flight: sum(({ inFlight }) => inFlight),
          open: sum(({ open }) => open),
          failed: sum(({ failed }) => failed),
          lost: sum(({ lost }) => lost),
        }),
        messages: states({
          sent: sum(({ sentMessages }) => sentMessages),
          answered: sum(({ answeredMessages }) => answeredMessages),
        }),
      }),
      ...processFamilies(),
    ];
  }
}
