// Tests looking up types in BTF made here (Documentation/bpf/btf.rst), in which a struct refers to types that follow it.
import { expect, it } from "vitest";
import { BTF_KIND, Btf } from "../../../src/linux/bpf/btf.js";

const KIND = { int: 1, pointer: 2, struct: 4, union: 5, typedef: 8 } as const;
const NAMES = ["first", "inner", "later_t", "later", "value", "pad", "flags", "main"];

/** Returns the position of a name in the strings; 0 for an anonymous type. */
function nameAt(name: string): number {
  return name === "" ? 0 : 1 + NAMES.slice(0, NAMES.indexOf(name)).reduce((sum, each) => sum + each.length + 1, 0);
}

type Member = readonly [name: string, type: number, bits: number];

function type(kind: number, name: string, sizeOrType: number, members: readonly Member[] = []): number[] {
  const words = members.flatMap(([member, of, bits]) => [nameAt(member), of, bits]);
  return [nameAt(name), (kind << 24) | members.length, sizeOrType, ...words];
}

const HAS_BIT_FIELDS = 1 << 31;
const bitFields = (words: number[]) => words.map((word, i) => (i === 1 ? word | HAS_BIT_FIELDS : word));

function encode(types: readonly (readonly number[])[]): Buffer {
  const typeBytes = Buffer.from(Int32Array.from(types.flat()).buffer);
  const strings = Buffer.from(`\0${NAMES.join("\0")}\0`);
  const header = Buffer.alloc(24);
  header.writeUInt16LE(0xeb9f, 0);
  header[2] = 1;
  header.writeUInt32LE(header.length, 4);
  header.writeUInt32LE(typeBytes.length, 12);
  header.writeUInt32LE(typeBytes.length, 16);
  header.writeUInt32LE(strings.length, 20);
  return Buffer.concat([header, typeBytes, strings]);
}

const BYTES = encode([
  // 1: struct first { later_t *pad; later_t inner; }
  type(KIND.struct, "first", 24, [
    ["pad", 3, 0],
    ["inner", 2, 64],
  ]),
  // 2: typedef struct later later_t; 3: later_t *
  type(KIND.typedef, "later_t", 4),
  type(KIND.pointer, "", 2),
  // 4: struct later { int flags : 8; union { int value; }; }
  bitFields(
    type(KIND.struct, "later", 16, [
      ["flags", 6, (8 << 24) | 0],
      ["", 5, 32],
    ]),
  ),
  // 5: union { int value; }; 6: int, whose encoding follows it
  type(KIND.union, "", 4, [["value", 6, 0]]),
  [...type(KIND.int, "", 4), 32],
  // 7: int main()
  type(BTF_KIND.func, "main", 6),
]);
const FIRST = { name: "first", kind: BTF_KIND.struct };

it("finds members of types beyond the last wanted one", () => {
  const btf = new Btf(BYTES, [FIRST]);
  expect(btf.idOf("first", BTF_KIND.struct)).toBe(1);
  expect(btf.offsetOf("first", "inner.value")).toBe(8 + 4);
  expect(btf.offsetOf("first", "inner.flags")).toBe(8);
  expect(btf.offsetOf("first", "pad")).toBe(0);
});

it("finds types of the wanted kind only, named more than once", () => {
  const wanted = [FIRST, FIRST, { name: "main", kind: BTF_KIND.func }, { name: "value", kind: BTF_KIND.struct }];
  const btf = new Btf(BYTES, wanted);
  expect(btf.idOf("main", BTF_KIND.func)).toBe(7);
  expect(btf.idOf("main", BTF_KIND.struct)).toBeUndefined();
  expect(btf.idOf("value", BTF_KIND.struct)).toBeUndefined();
  expect(btf.idOf("later", BTF_KIND.struct)).toBeUndefined();
});

it("does not find what is not there", () => {
  const btf = new Btf(BYTES, [FIRST, { name: "absent", kind: BTF_KIND.struct }]);
  expect(btf.idOf("absent", BTF_KIND.struct)).toBeUndefined();
  expect(btf.offsetOf("absent", "value")).toBeUndefined();
  expect(btf.offsetOf("first", "inner.absent")).toBeUndefined();
  expect(btf.offsetOf("first", "inn")).toBeUndefined();
  expect(() => new Btf(Buffer.alloc(64), [])).toThrow("not BTF");
});
