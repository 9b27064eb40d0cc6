// What a limit is to the doctor: plain data about one setting or resource, with functions that read it out of the host's
// facts and say how many connections it allows.
import type { Caps, Privilege, Scope, Side } from "../results/limits.js";
import type { HostFacts } from "./host-facts.js";
import type { Load } from "./load.js";

export interface Limit {
  /** Stable, in kebab-case. */
  readonly id: string;
  /** The kernel's own name. */
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
  /** Where the kernel documents it. */
  readonly source: string;
  /** How it is changed, in one line. */
  readonly change: string;
  readonly privilege: Privilege;
  /** What people get wrong about it. */
  readonly pitfall: string;
  /** Its value now; undefined when it cannot be read. Infinity for none. */
  read(facts: HostFacts, load: Load): number | undefined;
  /** The value in words, where a bare number would not tell. */
  describe?(facts: HostFacts, load: Load): string | undefined;
  /**
   * Connections that can be held under it, those of this load; Infinity when it does not bind, undefined when that cannot be
   * known. Left out by limits that cap something else than what is held.
   */
  allows?(facts: HostFacts, load: Load): number | undefined;
  /** The value that this load needs, in the limit's unit; undefined when no value of it helps or matters. */
  needs(facts: HostFacts, load: Load): number | undefined;
  /** The setting that `needs` is about, for those that a program can write. */
  readonly sysctl?: string;
}
