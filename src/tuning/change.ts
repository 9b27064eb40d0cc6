// What a change is to the doctor: one setting, from what to what, why, and how people make it by other means.
import type { Privilege } from "../results/limits.js";

export interface Change {
  readonly limitId: string;
  /**
   * `sysctl`: a setting of the kernel that this program can write. `rlimit`: a process gets it from whoever starts it.
   * `advice`: nothing that can be set while the host runs.
   */
  readonly kind: "sysctl" | "rlimit" | "advice";
  /** The kernel's own name. */
  readonly name: string;
  /** As it is, in the kernel's words. */
  readonly from: string | undefined;
  /** As it is to be; undefined when no value of it is enough. */
  readonly to: string | undefined;
  readonly why: string;
  /** How it is done by hand. */
  readonly how: string;
  readonly pitfall: string;
  readonly privilege: Privilege;
  /** The same for a unit of systemd, or for all boots to come. */
  readonly systemd?: string;
  /** The same for a container. */
  readonly container?: string;
  /** The setting that has to be in force before this one is safe. */
  readonly requires?: string;
}

export interface FixPlan {
  readonly kind: "fix";
  readonly version: 1;
  readonly connections: number;
  /** The load fits as things are; what is proposed then is advice on how it fares. */
  readonly isTargetMet: boolean;
  /** In the order in which they are safe. */
  readonly changes: readonly Change[];
  /** Limits that cannot be read: nothing is proposed for them. */
  readonly unknown: readonly string[];
}

/** Reads a setting by its name; undefined where it does not exist or may not be read. */
export type ReadSetting = (name: string) => string | undefined;
