// State of connections as columns: a typed array for each thing that is kept, with an entry for each slot.

type Column = Uint8Array | Uint32Array | Int32Array | Float64Array;

/** A copy of `column` with room for `slot`, at least twice as long: call it when `slot` is past the end. */
export function grown<C extends Column>(column: C, slot: number): C {
  const Type = column.constructor as new (length: number) => C;
  const larger = new Type(Math.max(slot + 1, column.length * 2));
  larger.set(column);
  return larger;
}
