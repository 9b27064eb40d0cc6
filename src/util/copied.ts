// A caller's options as they are at the moment of the call: what the caller changes afterwards does not count.

/** Deeper than any option or result goes; a circle ends there, too. */
const DEPTH = 12;

/** A copy of lists, bytes and plain objects all the way down; a signal, and whatever else has a class, is the caller's own. */
export function copied<T>(value: T): T {
  // Of the options themselves any object will do.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? copyFields(value, DEPTH) : value;
}

function copyFields<T extends object>(value: T, depth: number): T {
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, copy(field, depth - 1)])) as T;
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null || depth === 0) return value;
  if (Array.isArray(value)) return value.map((item) => copy(item, depth - 1));
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? copyFields(value, depth) : value;
}
