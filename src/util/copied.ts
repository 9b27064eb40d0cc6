// Copies a caller's options at the time of the call, so that later changes have no effect.

/** Maximum depth, more than any option or result has. The limit also ends recursion in cyclic data. */
const DEPTH = 12;

/** Copies arrays, bytes and plain objects recursively. Signals and other class instances are shared with the caller. */
export function copied<T>(value: T): T {
  // The options object itself may be of any class.
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
