// What the lab came to: experiments with claim, prediction, observation, evidence and verdict. One plain object: the same for the
// terminal, --json and the report.
import type { LatencySummary } from "../engine/latency.js";
import type { HostDescription } from "../linux/proc/host.js";
import type { HostLoad } from "../linux/proc/host-cpu.js";

/**
 * `refuted`: what was observed excludes the prediction. `inconclusive`: it neither shows nor excludes it, as on a host that is too
 * busy. `not possible here`: this host lacks or forbids what it takes. `failed`: it broke off for another reason, and says nothing
 * of the claim.
 */
export const VERDICTS = ["confirmed", "refuted", "inconclusive", "failed", "not possible here"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** The two ends of every connection: network namespaces joined by a veth pair, or loopback. */
export interface LabPlace {
  readonly kind: "namespaces" | "loopback";
  /** Why it is loopback, when namespaces were not to be had. */
  readonly reason: string | undefined;
  readonly serverIp: string;
  /** The client's source addresses, as the command line takes them. */
  readonly clientIps: string;
}

/** What one types into bash, as root, to have the two hosts: then each experiment's commands can be repeated in them. */
export interface LabByHand {
  readonly make: readonly string[];
  readonly remove: readonly string[];
}

/** A table of text and figures; figures are numbers so that a page can align them. */
export interface TableEvidence {
  readonly kind: "table";
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** Lines over a common horizontal axis. */
export interface SeriesEvidence {
  readonly kind: "series";
  readonly title: string;
  readonly x: { readonly name: string; readonly unit: string };
  readonly y: { readonly name: string; readonly unit: string };
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[];
}

/** Points and the straight line through them: y = intercept + slope × x. */
export interface FitEvidence {
  readonly kind: "fit";
  readonly title: string;
  readonly x: { readonly name: string; readonly unit: string };
  readonly y: { readonly name: string; readonly unit: string };
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly slope: number;
  readonly intercept: number;
  /** Standard error of the slope. */
  readonly slopeError: number;
  /** Share of the variance that the line explains, 0 to 1. */
  readonly r2: number;
}

export interface LatencyEvidence {
  readonly kind: "latency";
  readonly title: string;
  readonly rows: readonly { readonly name: string; readonly summary: LatencySummary }[];
}

/** Which of an address's 65,536 ports are in use. */
export interface PortsEvidence {
  readonly kind: "ports";
  readonly title: string;
  readonly fields: readonly {
    /** `server` or `client`, and its address. */
    readonly host: string;
    readonly ip: string;
    readonly sockets: number;
    /** Runs of ports in use, both ends included: [first, last]. */
    readonly used: readonly (readonly [first: number, last: number])[];
  }[];
}

/** A limit without a number of connections. */
export interface UnnumberedLimit {
  readonly name: string;
  /** Any number, one that cannot be read, or it limits something else than connections held: `caps` says what. */
  readonly allows: "unlimited" | "unknown" | "something else";
  readonly caps: string;
}

/** What each limit allows, the binding one among them. */
export interface CeilingEvidence {
  readonly kind: "ceiling";
  readonly title: string;
  readonly wanted: number;
  readonly limits: readonly { readonly name: string; readonly allows: number; readonly binds: boolean }[];
  /** The others; none in results of older versions. */
  readonly unnumbered: readonly UnnumberedLimit[];
}

export type Evidence = TableEvidence | SeriesEvidence | FitEvidence | LatencyEvidence | PortsEvidence | CeilingEvidence;

export interface ExperimentResult {
  /** E1 to E7. */
  readonly id: string;
  readonly title: string;
  /** Claims of the article that it is about: C1 to C7. */
  readonly claims: readonly string[];
  readonly claim: string;
  readonly setup: string;
  /** The commands that repeat it, as typed into bash once the hosts are made by hand. */
  readonly commands: readonly string[];
  readonly prediction: string;
  readonly observed: string;
  readonly verdict: Verdict;
  /** Why it was refuted, inconclusive, failed or not possible, in one line. */
  readonly reason: string | undefined;
  /** What others took of the CPU meanwhile; undefined where it cannot be read, and in results of older versions. */
  readonly hostLoad?: HostLoad | undefined;
  readonly elapsedMs: number;
  readonly evidence: readonly Evidence[];
}

export interface LabResult {
  readonly kind: "lab";
  readonly version: 1;
  readonly startedAt: string;
  readonly elapsedMs: number;
  readonly isQuick: boolean;
  readonly place: LabPlace;
  /** Results of older versions have none. */
  readonly byHand: LabByHand | undefined;
  readonly host: HostDescription;
  /** The command line that was run. */
  readonly command: string;
  /** The experiment in which the lab was stopped: it and those after it are missing. Undefined when all were made. */
  readonly stoppedIn: string | undefined;
  /** What others took of the CPU from the start to the end; undefined as above. */
  readonly hostLoad?: HostLoad | undefined;
  readonly experiments: readonly ExperimentResult[];
}
