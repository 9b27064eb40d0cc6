// What a diagnosis is: the limit that stopped a run, whose it is, the evidence, the fix; or what remains when the evidence
// does not decide.

/** Whose the limit is: the client's host, the server's, or something between them. */
export type Whose = "this side" | "the peer" | "the path";

export interface Finding {
  /** A limit of the catalogue by its id, or `path`, `route`, `source-address`, `firewall`, `policy`, `stop`, `peer-ended`, `peer-timeout`, `peer-closing`, `peer-silent`, `messages`, `threshold`, `unexplained`. */
  readonly limit: string;
  readonly whose: Whose;
  /** What happened, and what it means, in a sentence. */
  readonly meaning: string;
  readonly fix: string;
  /** The facts that say so, one each. */
  readonly evidence: readonly string[];
}

/** One of several that remain. */
export interface Suspect extends Finding {
  /** How to tell it from the others. */
  readonly test: string;
}

export interface Diagnosis {
  readonly kind: "diagnosis";
  readonly version: 1;
  readonly outcome: "met" | "limited" | "undecided" | "stopped";
  /** Whose run it was. */
  readonly of: "connect" | "serve";
  /** Connections asked for; of a server, those that came in all. */
  readonly wanted: number;
  /** This run's connections that were ESTABLISHED at once, at both ends where both are here; of a server, its peak. */
  readonly reached: number;
  /** The limit that stopped it; undefined when nothing did, or the evidence does not decide. */
  readonly finding: Finding | undefined;
  /** What remains when the evidence does not decide: two or more. */
  readonly suspects: readonly Suspect[];
  /** What is worth knowing though it stopped nothing. */
  readonly notes: readonly string[];
}
