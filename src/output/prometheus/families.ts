// Metric families: each is declared once, with its name, type, help text and labels. The samples are added later, when
// values are read.

export type Labels = Readonly<Record<string, string | number>>;

/** Cumulative counts of a histogram's buckets, in the base unit. */
export interface Buckets {
  /**
   * Upper bound of each bucket and the number of values up to it, in ascending order, without the last bucket, `+Inf`.
   */
  readonly upTo: readonly (readonly [bound: number, count: number])[];
  readonly count: number;
  readonly sum: number;
}

/** Value of the sample. A sample without a value is left out. */
export type Sample = readonly [labels: Labels, value: number | Buckets | undefined];

export interface Declaration {
  readonly type: "gauge" | "counter" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
}

/** A declared family. */
export interface Description extends Declaration {
  /**
   * Name without `_total`, which is added only to the samples of a counter. The unit comes last: `_seconds`, `_bytes`,
   * `_ratio`.
   */
  readonly name: string;
}

export interface Family extends Description {
  readonly samples: readonly Sample[];
}

export const gauge = (help: string, ...labels: string[]): Declaration => ({ type: "gauge", help, labels });
export const counter = (help: string, ...labels: string[]): Declaration => ({ type: "counter", help, labels });
export const histogram = (help: string, ...labels: string[]): Declaration => ({ type: "histogram", help, labels });

/**
 * Returns the declared families by name.
 * @param prefix such as `fourtuple`
 */
export function described(prefix: string, declared: Readonly<Record<string, Declaration>>): Description[] {
  return Object.entries(declared).map(([name, declaration]) => ({ name: `${prefix}_${name}`, ...declaration }));
}

/** Returns the declared families with their samples, in the order of their declaration. */
export function filled<Name extends string>(
  prefix: string,
  declared: Readonly<Record<Name, Declaration>>,
  samples: Readonly<Record<Name, readonly Sample[]>>,
): Family[] {
  return described(prefix, declared).map((family) => ({
    ...family,
    samples: samples[family.name.slice(prefix.length + 1) as Name],
  }));
}

/** Returns the samples of a family without labels. */
export function only(value: number | Buckets | undefined): readonly Sample[] {
  return [[{}, value]];
}
