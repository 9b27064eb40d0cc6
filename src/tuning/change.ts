// Describes changes of settings: from which value to which, why, and how to make them by other means.
import type { Privilege } from "../results/limits.js";

export interface Change {
  readonly limitId: string;
  /**
   * `sysctl`: a kernel setting that this program can write. `rlimit`: a limit that a process inherits from whoever
   * starts it. `advice`: something that cannot be changed while the host is running.
   */
  readonly kind: "sysctl" | "rlimit" | "advice";
  /** Name used by the kernel. */
  readonly name: string;
  /** Current value in the kernel's format. */
  readonly from: string | undefined;
  /** Proposed value; undefined if no value is sufficient. */
  readonly to: string | undefined;
  readonly why: string;
  /** How to make the change by hand. */
  readonly how: string;
  readonly pitfall: string;
  readonly privilege: Privilege;
  /** How to make the change for a systemd unit; for a sysctl, how to make it permanent. */
  readonly systemd?: string;
  /** How to make the change for a container. */
  readonly container?: string;
  /** A setting that must be in effect before this change is safe. */
  readonly requires?: string;
}

export interface FixPlan {
  readonly kind: "fix";
  readonly version: 1;
  readonly connections: number;
  /** True if the load already fits; changes are then only advice on performance. */
  readonly isTargetMet: boolean;
  /** Changes, in a safe order. */
  readonly changes: readonly Change[];
  /** Limits that cannot be read and therefore have no proposal. */
  readonly unknown: readonly string[];
}

/** Reads a setting by name; returns undefined if it does not exist or may not be read. */
export type ReadSetting = (name: string) => string | undefined;
