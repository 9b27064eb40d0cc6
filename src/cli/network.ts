// Prepares this host for `--transport packet`, says what is changed before it is, and makes sure that the changes are
// reverted however the command ends.
import { printNote } from "../output/terminal/output.js";
import type { NetworkPlan } from "../planning/packet/network.js";
import type { NetworkOptions } from "../tuning/network-changes.js";
import { EXIT_CODES, onStopSignals } from "./signals.js";

export interface PreparedNetwork {
  readonly prepare: (plan: NetworkPlan) => Promise<void>;
  /** To be called once the run handles stop signals itself. */
  handOver(): void;
  /** Reverts the changes. */
  end(): void;
}

const NO_CHANGES: PreparedNetwork = {
  prepare: () => Promise.resolve(),
  handOver: () => undefined,
  end: () => undefined,
};

/** @throws {AppError} E_OPTION if the options make no sense, E_PERMISSION or E_SYSTEM if the journal is unusable */
export async function openNetwork(options: NetworkOptions): Promise<PreparedNetwork> {
  // Kernel sockets need no preparation, and nothing of what follows.
  if (options.transport !== "packet" && !options.apply && options.journal === undefined) return NO_CHANGES;
  const { NetworkChanges } = await import("../tuning/network-changes.js");
  const texts = await import("../output/text/network.js");
  const changes = new NetworkChanges(options, {
    leftovers: (outcomes) => printNote(texts.leftoversText(outcomes)),
    asking: (plan) => printNote(texts.askingText(plan)),
    needed: (missing) => printNote(texts.neededText(missing)),
    changing: (missing) => printNote(texts.changingText(missing)),
    left: (outcomes) => printNote(texts.leftText(outcomes)),
  });
  let forget = (): void => undefined;
  return {
    prepare: (plan) => {
      // Exiting reverts the changes, but being killed by a signal does not.
      const exit = (signal: keyof typeof EXIT_CODES) => process.exit(EXIT_CODES[signal]);
      if (options.apply) forget = onStopSignals(exit, exit);
      return changes.prepare(plan);
    },
    handOver: () => forget(),
    end: () => {
      forget();
      changes.undo();
    },
  };
}
