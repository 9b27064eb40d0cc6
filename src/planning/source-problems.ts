// Why an address can be no source: what a check finds, and what a saved result says. Pure: read anywhere.

/** Why an address can be no source, or a destination has none. */
export const SOURCE_PROBLEMS = [
  /** No interface has the address; none of the family has one. */
  "absent",
  /** The interface that has it is down. */
  "interface-down",
  /** IPv6: duplicate address detection has not finished. */
  "tentative",
  /** IPv6: another host has it. */
  "duplicate",
  /** IPv6: only a route of type local covers it, which bind() accepts with ip_nonlocal_bind alone. */
  "nonlocal",
  /** The family is disabled, or not in this kernel. */
  "family-disabled",
  /** There is no route. */
  "no-route",
  /** bind() or connect() says another errno. */
  "refused",
] as const;
export type SourceProblem = (typeof SOURCE_PROBLEMS)[number];

export interface BadSource {
  /** The source; of a destination without one, the destination. */
  readonly ip: string;
  readonly problem: SourceProblem;
  /** The interface, the setting or the errno that it is about. */
  readonly detail?: string | undefined;
}
