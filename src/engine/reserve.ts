// Reserves: the part of a limit shared with other programs that fourtuple leaves free.

export interface Reserve {
  /** Share of the limit. */
  readonly share: number;
  readonly least: number;
  /** Maximum share of the limit. Takes precedence over `least`. */
  readonly most: number;
}

/** Returns how much of a limit of `max` stays free. */
export function reserveOf(max: number, { share, least, most }: Reserve): number {
  return Math.floor(Math.min(Math.max(least, max * share), max * most));
}

/** Returns the limit that allows `count` in addition to the reserve, which grows with it. */
export function limitFor(count: number, { share, least, most }: Reserve): number {
  return Math.ceil(Math.min(Math.max(count + least, count / (1 - share)), count / (1 - most)));
}
