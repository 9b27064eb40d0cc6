// How two values of parts of a run make one. Each of these is the same in any order and grouping of the parts.

/** The same for equal data, whatever the order of their fields; what is undefined is left out. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  );
}

/** For what a part without has none of: the one there is, or both made one. */
export function either<T>(a: T | undefined, b: T | undefined, merge: (a: T, b: T) => T): T | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return merge(a, b);
}

/** For what is unknown of a part without: then it is unknown of the whole. */
export function both<T>(a: T | undefined, b: T | undefined, merge: (a: T, b: T) => T): T | undefined {
  return a === undefined || b === undefined ? undefined : merge(a, b);
}

/** What both agree on; undefined where they do not. */
export function agreed<T>(a: T, b: T): T | undefined {
  return a !== undefined && b !== undefined && canonical(a) === canonical(b) ? a : undefined;
}

/** One of two that cannot be made one. */
export function oneOf<T>(a: T, b: T): T {
  return canonical(b) < canonical(a) ? b : a;
}

export function add(a: number, b: number): number {
  return a + b;
}

/** Each name's numbers, made one where both have it. */
export function byName(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
  merge: (a: number, b: number) => number,
): Record<string, number> {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return Object.fromEntries(names.map((name) => [name, either(a[name], b[name], merge)!]));
}

/** Everything that is in one of the lists, once; in a list's own order where they are the same. */
export function union<T>(a: readonly T[], b: readonly T[]): readonly T[] {
  if (canonical(a) === canonical(b)) return a;
  const entries = new Map([...a, ...b].map((entry) => [canonical(entry), entry]));
  return [...entries.keys()].sort().map((key) => entries.get(key)!);
}

/** Texts that are lists themselves: `kernel, 1024-65535`. */
export function joined(a: string, b: string): string {
  return union(a.split(", "), b.split(", ")).join(", ");
}

/** Entries with the same key made one; by key. */
export function merged<T>(entries: readonly T[], keyOf: (entry: T) => string, merge: (a: T, b: T) => T): T[] {
  const found = new Map<string, T>();
  for (const entry of entries) {
    const key = keyOf(entry);
    found.set(key, either(found.get(key), entry, merge)!);
  }
  return [...found.keys()].sort().map((key) => found.get(key)!);
}

/** The mean of two numbers, each counted by its weight. */
export function weighted(a: number, aWeight: number, b: number, bWeight: number): number {
  const weight = aWeight + bWeight;
  return weight === 0 ? 0 : (a * aWeight + b * bWeight) / weight;
}

type Tls = { readonly secured: number; readonly resumed: number };

export function addTls(a: Tls, b: Tls): Tls {
  return { secured: a.secured + b.secured, resumed: a.resumed + b.resumed };
}
