// Interface of a limit: data about one setting or resource, with functions that read its value from the host's facts
// and compute how many connections it allows.
import type { Caps, Privilege, Scope, Side } from "../results/limits.js";
import type { HostFacts, HostReadings } from "./host-facts.js";
import type { Load } from "./load.js";

/** How much of a limit is in use. */
export interface AmountInUse {
  readonly used: number;
  /** Infinity if there is no limit. */
  readonly of: number;
}

export interface Limit {
  /** Stable identifier in kebab-case. */
  readonly id: string;
  /** Name used by the kernel. */
  readonly name: string;
  readonly unit:
    | "descriptors"
    | "ports"
    | "connections"
    | "pages"
    | "bytes"
    | "entries"
    | "threads"
    | "cores"
    | "connections/s"
    | "bit/s"
    | "flag";
  readonly scope: Scope;
  readonly caps: Caps;
  readonly side: Side;
  /** Kernel documentation. */
  readonly source: string;
  /** How to change the limit, on one line. */
  readonly change: string;
  readonly privilege: Privilege;
  /** Common misconception about it. */
  readonly pitfall: string;
  /**
   * Returns the current value; undefined if unreadable, Infinity if unlimited.
   *
   * @param load if undefined, limits that depend on a destination are left out
   */
  read(facts: HostReadings, load: Load | undefined): number | undefined;
  /** Describes the value if a number alone is not enough. */
  describe?(facts: HostFacts, load: Load): string | undefined;
  /**
   * Returns how much is in use and how much there is, in the limit's unit; undefined if unknown. Present only for limits
   * on something that is used up.
   */
  usage?(readings: HostReadings): AmountInUse | undefined;
  /**
   * Returns how many connections of this load can be held under the limit; Infinity if it does not apply, undefined if
   * unknown. Absent from limits that do not cap the number of held connections.
   */
  allows?(facts: HostFacts, load: Load): number | undefined;
  /**
   * Returns the value that this load needs, in the limit's unit; undefined if no value would help or make a difference.
   */
  needs(facts: HostFacts, load: Load): number | undefined;
  /**
   * Returns whether a higher value would help this load even though all its connections fit. Limits without `allows`
   * compare their value with `needs` instead.
   */
  isLow?(facts: HostFacts, load: Load): boolean;
  /** The writable sysctl that `needs` applies to, if any. */
  readonly sysctl?: string;
}

/** Returns the usage of a limit if both values are known. */
export function usageOf(used: number | undefined, of: number | undefined): AmountInUse | undefined {
  return used === undefined || of === undefined ? undefined : { used, of };
}
