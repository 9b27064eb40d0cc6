// Keeps connection state in columns: one typed array per property, with one element per slot.

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/**
 * Returns a copy of `column` with room for `slot`, at least twice as long. Call this when `slot` is past the end.
 */
export function grown<C extends Column>(column: C, slot: number): C {
  const Type = column.constructor as new (length: number) => C;
  const larger = new Type(Math.max(slot + 1, column.length * 2));
  larger.set(column);
  return larger;
}
