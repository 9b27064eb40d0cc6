// Prototype for objects handed to scripts: reading or writing a name that the object lacks throws an error that lists
// the valid names. Existing properties are found first, so they cost no more than usual.

/** Names that the language itself looks up. Node does so too, with symbols, when it prints an object. */
export const LOOKED_UP = ["constructor", "then", "toJSON", "__proto__"];

/** @param describe returns the error's message for a name that `object` lacks */
export function refusingUnknown(describe: (name: string, object: object) => string): object {
  return new Proxy(Object.create(null), {
    get(_, name, object) {
      if (typeof name === "symbol" || LOOKED_UP.includes(name)) return undefined;
      throw new TypeError(describe(name, object));
    },
    set(_, name, __, object) {
      throw new TypeError(describe(String(name), object));
    },
  });
}
