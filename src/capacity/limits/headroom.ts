// Headroom of the limits during a run: how much of each is in use, and which one new connections reach first.
import type { ConnectSnapshot } from "../../client/snapshot.js";
import type { Scope } from "../../results/limits.js";
import { type LimitUse, readLimitUse } from "./use.js";

/** A limit whose usage is known. */
export interface Usage extends Pick<LimitUse, "id" | "name" | "unit"> {
  readonly used: number;
  /** Finite, and in the same unit as the usage. */
  readonly limit: number;
}

/** The limit that new connections reach first. */
export interface BindingLimit {
  readonly name: string;
  /**
   * Number of open connections at which the limit is reached, if each further connection takes as much as those so far.
   */
  readonly connections: number;
}

/** Time for which the values read are kept, because reading all limits takes a few milliseconds of CPU. */
const FRESH_MS = 1000;
/** With fewer connections, other programs affect the values more than the run does. */
const WORTH_PREDICTING = 500;

/**
 * Reads the usage of the host's limits, at most once per second, and predicts from its growth which limit is reached
 * first.
 */
export class Headroom {
  #usages: readonly Usage[] = [];
  #readMs = Number.NEGATIVE_INFINITY;
  readonly #forecast = new HeadroomForecast();
  readonly #scopes: readonly Scope[] | undefined;

  /** @param scopes scopes of the limits to read; by default, all */
  constructor(scopes?: readonly Scope[]) {
    this.#scopes = scopes;
  }

  /**
   * @param open number of open connections
   * @param own limits of the run itself, which come first
   */
  take(
    open: number,
    own: readonly Usage[] = [],
  ): { readonly usages: readonly Usage[]; readonly binding: BindingLimit | undefined } {
    const nowMs = performance.now();
    if (nowMs - this.#readMs >= FRESH_MS) {
      this.#usages = readUsages(this.#scopes);
      this.#readMs = nowMs;
    }
    const usages = [...own, ...this.#usages];
    return { usages, binding: this.#forecast.take(open, usages) };
  }
}

/**
 * Returns how many of a run's 4-tuples are in use. 4-tuples that other programs use count as well.
 *
 * @param available number in the plan
 */
export function usageOfTuples(
  {
    open,
    inFlight,
    toReopen,
    skippedTuples,
  }: Pick<ConnectSnapshot, "open" | "inFlight" | "toReopen" | "skippedTuples">,
  available: number,
): Usage {
  const used = open + inFlight + toReopen + skippedTuples;
  return { id: "four-tuples", name: "4-tuples of the plan", unit: "connections", used, limit: available };
}

function readUsages(scopes: readonly Scope[] | undefined): Usage[] {
  return readLimitUse().flatMap(({ id, name, unit, scope, used, limit }) =>
    used === undefined || !Number.isFinite(limit) || scopes?.includes(scope) === false
      ? []
      : [{ id, name, unit, used, limit }],
  );
}

/** Predicts which limit is reached first, from the growth of each since the first connections. */
export class HeadroomForecast {
  #first: { readonly open: number; readonly used: ReadonlyMap<string, number> } | undefined;
  #binding: BindingLimit | undefined;
  #mostOpen = 0;

  /** @returns the limit that is reached first; undefined while too few connections are open for a prediction */
  take(open: number, usages: readonly Usage[]): BindingLimit | undefined {
    this.#first ??= { open, used: new Map(usages.map(({ id, used }) => [id, used])) };
    const grown = open - this.#first.open;
    // While connections close, the last prediction is kept: the kernel frees their memory only afterwards.
    if (grown < WORTH_PREDICTING || open < this.#mostOpen) return this.#binding;
    this.#mostOpen = open;
    let binding: BindingLimit | undefined;
    for (const { id, name, used, limit } of usages) {
      const each = (used - (this.#first.used.get(id) ?? used)) / grown;
      if (!(each > 0)) continue;
      const connections = Math.floor(open + (limit - used) / each);
      if (binding === undefined || connections < binding.connections) binding = { name, connections };
    }
    this.#binding = binding ?? this.#binding;
    return this.#binding;
  }
}
