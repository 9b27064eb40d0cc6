// Prepares this host for a run without kernel sockets: reverts what a killed run has left behind, makes sure that
// addresses of its own network are spare, and makes the changes that the run needs if the user has asked for them.
import { assertSpare } from "../planning/packet/link-addresses.js";
import { missingSettings, type NeededSetting, type NetworkPlan, refuseChanges } from "../planning/packet/network.js";
import { AppError } from "../util/errors.js";
import { defaultJournalFile } from "./journal/location.js";
import { RunChanges, undoLeftovers } from "./run-changes.js";
import type { UndoOutcome } from "./undo.js";

export interface NetworkOptions {
  /** Whose TCP the run uses; nothing is done for kernel sockets. */
  readonly transport?: string | undefined;
  /** Whether to make changes. */
  readonly apply?: boolean | undefined;
  /** Journal of changes. */
  readonly journal?: string | undefined;
}

export interface NetworkEvents {
  /** Called with the changes of killed runs that were reverted, or could not be. */
  leftovers(outcomes: readonly UndoOutcome[]): void;
  /** Called before this host asks for addresses of its own network. */
  asking(plan: NetworkPlan): void;
  /** Called with changes without which hosts elsewhere cannot reach a server; they were not asked for. */
  needed(missing: readonly NeededSetting[]): void;
  /** Called with the changes that are about to be made. */
  changing(missing: readonly NeededSetting[]): void;
  /** Called with changes that could not be reverted at the end of the run. */
  left(outcomes: readonly UndoOutcome[]): void;
}

export class NetworkChanges {
  readonly #apply: boolean;
  readonly #journal: string;
  readonly #events: Partial<NetworkEvents>;
  readonly #undo = () => this.undo();
  #changes: RunChanges | undefined;

  /**
   * Reverts what killed runs have left behind.
   * @throws {AppError} E_OPTION if the options make no sense, E_PERMISSION or E_SYSTEM if the journal is unusable
   */
  constructor({ transport, apply = false, journal }: NetworkOptions, events: Partial<NetworkEvents> = {}) {
    this.#apply = apply;
    this.#journal = journal ?? defaultJournalFile();
    this.#events = events;
    if (apply && transport !== "packet") throw misused("--apply has no effect without --transport packet", "--apply");
    if (journal !== undefined && !apply) throw misused("--journal has no effect without --apply", "--journal");
    if (transport !== "packet") return;
    const outcomes = undoLeftovers(this.#journal);
    if (outcomes.length > 0) events.leftovers?.(outcomes);
  }

  /**
   * Makes the changes that a run needs, which undo() reverts; so does the end of this process, unless it is killed.
   *
   * @throws {AppError} E_OPTION if the run needs changes that were not asked for, E_SOURCE if a source address is
   *   taken, E_PERMISSION or E_SYSTEM if a change cannot be made
   */
  readonly prepare = async (plan: NetworkPlan): Promise<void> => {
    if (!this.#apply) {
      refuseChanges(plan);
      if (missingSettings(plan).length > 0) this.#events.needed?.(missingSettings(plan));
      return;
    }
    if (plan.onLink.length > 0) {
      this.#events.asking?.(plan);
      await assertSpare(plan.onLink);
    }
    const missing = missingSettings(plan);
    if (missing.length > 0) this.#events.changing?.(missing);
    this.#changes = new RunChanges(this.#journal);
    process.once("exit", this.#undo);
    this.#changes.make(plan.settings, plan.resets);
  };

  /** Reverts the changes. Repeated calls have no further effect. Never throws. */
  undo(): void {
    process.off("exit", this.#undo);
    const left = this.#changes?.undo() ?? [];
    if (left.length > 0) this.#events.left?.(left);
  }
}

function misused(message: string, option: string): AppError {
  return new AppError("E_OPTION", message, { fix: `leave out ${option}` });
}
