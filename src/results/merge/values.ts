// Merges pairs of values from parts of a run. All operations are commutative and associative.

/** Returns the same text for equal data, regardless of the order of fields. Omits undefined values. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  );
}

/**
 * Merges optional values, of which a missing one means "none": returns the other value, or both
 * merged.
 */
export function either<T>(a: T | undefined, b: T | undefined, merge: (a: T, b: T) => T): T | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return merge(a, b);
}

/**
 * Merges optional values, of which a missing one means "unknown", so that the result is unknown too.
 */
export function both<T>(a: T | undefined, b: T | undefined, merge: (a: T, b: T) => T | undefined): T | undefined {
  return a === undefined || b === undefined ? undefined : merge(a, b);
}

/** Returns the value if both are equal; undefined otherwise. */
export function agreed<T>(a: T, b: T): T | undefined {
  return a !== undefined && b !== undefined && canonical(a) === canonical(b) ? a : undefined;
}

/** Selects one of two values that cannot be merged. */
export function oneOf<T>(a: T, b: T): T {
  return canonical(b) < canonical(a) ? b : a;
}

export function add(a: number, b: number): number {
  return a + b;
}

/** Merges numbers by name, including names that only one side has. */
export function byName(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
  merge: (a: number, b: number) => number,
): Record<string, number> {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return Object.fromEntries(names.map((name) => [name, either(a[name], b[name], merge)!]));
}

/** Returns the distinct entries of both lists. If the lists are equal, their order is kept. */
export function union<T>(a: readonly T[], b: readonly T[]): readonly T[] {
  if (canonical(a) === canonical(b)) return a;
  const entries = new Map([...a, ...b].map((entry) => [canonical(entry), entry]));
  return [...entries.keys()].sort().map((key) => entries.get(key)!);
}

/** Merges texts that are lists: `kernel, 1024-65535`. */
export function joined(a: string, b: string): string {
  return union(a.split(", "), b.split(", ")).join(", ");
}

/** Merges entries with the same key, and sorts by key. */
export function merged<T>(entries: readonly T[], keyOf: (entry: T) => string, merge: (a: T, b: T) => T): T[] {
  const found = new Map<string, T>();
  for (const entry of entries) {
    const key = keyOf(entry);
    found.set(key, either(found.get(key), entry, merge)!);
  }
  return [...found.keys()].sort().map((key) => found.get(key)!);
}

/** Returns the weighted mean of two numbers. */
export function weighted(a: number, aWeight: number, b: number, bWeight: number): number {
  const weight = aWeight + bWeight;
  return weight === 0 ? 0 : (a * aWeight + b * bWeight) / weight;
}

interface Responses {
  readonly "1xx": number;
  readonly "2xx": number;
  readonly "3xx": number;
  readonly "4xx": number;
  readonly "5xx": number;
}

/** Adds up only the counts. */
export function addResponses(a: Responses, b: Responses): Responses {
  return {
    "1xx": a["1xx"] + b["1xx"],
    "2xx": a["2xx"] + b["2xx"],
    "3xx": a["3xx"] + b["3xx"],
    "4xx": a["4xx"] + b["4xx"],
    "5xx": a["5xx"] + b["5xx"],
  };
}

type Tls = { readonly secured: number; readonly resumed: number; readonly unannounced?: number | undefined };

export function addTls(a: Tls, b: Tls): Tls {
  return {
    secured: a.secured + b.secured,
    resumed: a.resumed + b.resumed,
    unannounced: either(a.unannounced, b.unannounced, (x, y) => x + y),
  };
}
