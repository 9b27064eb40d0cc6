// Typed arrays indexed by descriptor that grow when a descriptor lies past their end. The kernel hands out the
// lowest free number, so they stay as small as the number of connections.

type NumberArray = Uint8Array | Uint32Array | Int32Array | Float64Array;

/** The same values in an array that has place for `index`; the array itself when it has it already. */
export function withRoomFor<A extends NumberArray>(array: A, index: number): A {
  if (index < array.length) return array;
  const larger = new (array.constructor as new (length: number) => A)(Math.max(index + 1, array.length * 2));
  larger.set(array as never);
  return larger;
}
