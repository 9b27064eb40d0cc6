// Reads the kernel's description of its own types, BTF (Documentation/bpf/btf.rst): it finds type numbers by name,
// and the offsets of struct members. Only requested names are looked up, because there are more than 100,000 types.
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { isMapFailed, libc, nativeView } from "../syscalls/libc.js";

const VMLINUX = "/sys/kernel/btf/vmlinux";
const MAGIC = 0xeb9f;
const PROT_READ = 1;
const MAP_PRIVATE = 2;

export const BTF_KIND = { struct: 4, func: 12 } as const;
const UNION = 5;
/** Typedefs and qualifiers, which merely refer to another type. */
const ALIASES = [8, 9, 10, 11, 18];
/** Size of a type in 32-bit words, by kind: its header and what follows it, plus a number per member. */
const TYPE_WORDS = Uint8Array.of(3, 4, 3, 6, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 3, 3, 4, 3, 3);
const MEMBER_WORDS = Uint8Array.of(0, 0, 0, 0, 3, 3, 2, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 3);
const HEADER_WORDS = 3;
/** Size of the filter for positions of names; most types fail it. */
const NAME_BITS = 1 << 12;

export interface BtfName {
  readonly name: string;
  readonly kind: number;
}

/** Types of the running kernel, read in a single pass that goes no further than necessary. */
export class Btf {
  private readonly bytes: Buffer;
  private readonly words: Uint32Array;
  private readonly strings: Buffer;
  /** Positions in `words` of the types that have been read, by number; 0 for none. */
  private readonly positions: Uint32Array;
  private types = 0;
  /** Position of the next type, and where the types end. */
  private at: number;
  private readonly end: number;
  /** Kinds of the types that have not been found, by the position of the name in `strings`. */
  private readonly wanted = new Map<number, { readonly name: string; readonly kinds: Set<number> }>();
  private readonly mayBeWanted = new Uint8Array(NAME_BITS);
  private missing = 0;
  private readonly found = new Map<string, number>();

  /**
   * @param bytes contents of the file
   * @param wanted names that will be passed to idOf() and offsetOf()
   * @throws if the file is not BTF
   */
  constructor(bytes: Buffer, wanted: readonly BtfName[]) {
    if (bytes.length < 24 || bytes.readUInt16LE(0) !== MAGIC) throw new Error("not BTF");
    this.bytes = bytes.byteOffset % 4 === 0 ? bytes : Buffer.concat([bytes]);
    this.words = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, bytes.length >>> 2);
    const header = bytes.readUInt32LE(4);
    const typesAt = header + bytes.readUInt32LE(8);
    const stringsAt = header + bytes.readUInt32LE(16);
    this.strings = this.bytes.subarray(stringsAt, stringsAt + bytes.readUInt32LE(20));
    this.at = typesAt >>> 2;
    this.end = (typesAt + bytes.readUInt32LE(12)) >>> 2;
    this.positions = new Uint32Array(Math.ceil((this.end - this.at) / HEADER_WORDS) + 1);
    this.locateNames(wanted);
    this.readTypes(0);
  }

  /** Returns a type's number; undefined if the kernel has no such type. */
  idOf(name: string, kind: number): number | undefined {
    return this.found.get(`${kind} ${name}`);
  }

  /**
   * Returns the offset in bytes of a member such as `ipv4.tcp_death_row.hashinfo`; undefined if there is no such
   * member.
   */
  offsetOf(struct: string, path: string): number | undefined {
    let id = this.idOf(struct, BTF_KIND.struct);
    let offset = 0;
    for (const name of path.split(".")) {
      const member = id === undefined ? undefined : this.member(id, name);
      if (!member) return undefined;
      offset += member.offset;
      id = member.type;
    }
    return offset;
  }

  private locateNames(wanted: readonly BtfName[]): void {
    const byName = new Map<string, Set<number>>();
    for (const { name, kind } of wanted) byName.set(name, (byName.get(name) ?? new Set()).add(kind));
    for (const [name, kinds] of byName) {
      const at = this.strings.indexOf(`\0${name}\0`) + 1;
      if (at === 0) continue;
      this.wanted.set(at, { name, kinds });
      this.mayBeWanted[at & (NAME_BITS - 1)] = 1;
      this.missing += kinds.size;
    }
  }

  /** Continues until all wanted types have been found, and type number `last` has been read. */
  private readTypes(last: number): void {
    const { words, positions, mayBeWanted, end } = this;
    let { at, types } = this;
    // This loop visits tens of thousands of types before it is compiled, so it calls nothing.
    while (at < end && (this.missing > 0 || types < last)) {
      positions[++types] = at;
      const nameAt = words[at]!;
      const info = words[at + 1]!;
      const kind = (info >>> 24) & 31;
      if (mayBeWanted[nameAt & (NAME_BITS - 1)] !== 0) this.note(types, kind, nameAt);
      at += (TYPE_WORDS[kind] ?? HEADER_WORDS) + (MEMBER_WORDS[kind] ?? 0) * (info & 0xffff);
    }
    this.at = at;
    this.types = types;
  }

  private note(id: number, kind: number, nameAt: number): void {
    const wanted = this.wanted.get(nameAt);
    if (!wanted?.kinds.delete(kind)) return;
    this.found.set(`${kind} ${wanted.name}`, id);
    this.missing--;
  }

  private positionOf(id: number): number {
    if (id > this.types) this.readTypes(id);
    return this.positions[id]!;
  }

  /** Finds a member, also inside anonymous structs and unions. */
  private member(id: number, name: string): { readonly offset: number; readonly type: number } | undefined {
    const { words } = this;
    const struct = this.positionOf(this.resolve(id));
    const info = words[struct + 1]!;
    // With this bit, the upper byte of a member's offset is the size of a bit field.
    const offsetBits = info >>> 31 === 1 ? 0xffffff : -1;
    const end = struct + HEADER_WORDS + MEMBER_WORDS[BTF_KIND.struct]! * (info & 0xffff);
    for (let at = struct + HEADER_WORDS; at < end; at += MEMBER_WORDS[BTF_KIND.struct]!) {
      const nameAt = words[at]!;
      const type = words[at + 1]!;
      const offset = (words[at + 2]! & offsetBits) >>> 3;
      if (nameAt !== 0) {
        if (this.isName(nameAt, name)) return { offset, type };
        continue;
      }
      const kind = (words[this.positionOf(this.resolve(type)) + 1]! >>> 24) & 31;
      const inner = kind === BTF_KIND.struct || kind === UNION ? this.member(type, name) : undefined;
      if (inner) return { offset: offset + inner.offset, type: inner.type };
    }
    return undefined;
  }

  private resolve(id: number): number {
    for (let at = id; ; ) {
      const position = this.positionOf(at);
      if (!ALIASES.includes((this.words[position + 1]! >>> 24) & 31)) return at;
      at = this.words[position + 2]!;
    }
  }

  /** Compares a name without making a string of it, because few members have the one that is wanted. */
  private isName(at: number, name: string): boolean {
    const { strings } = this;
    for (let i = 0; i < name.length; i++) if (strings[at + i] !== name.charCodeAt(i)) return false;
    return strings[at + name.length] === 0;
  }
}

/**
 * Calls `use` with the types of the running kernel, which are only valid during the call.
 *
 * @returns undefined if the kernel does not describe its types
 */
export function withKernelBtf<Result>(wanted: readonly BtfName[], use: (btf: Btf) => Result): Result | undefined {
  let fd: number;
  try {
    fd = openSync(VMLINUX, "r");
  } catch {
    return undefined;
  }
  const { size } = fstatSync(fd);
  // Mapping the file takes 0.2 ms but requires Linux 6.16. Reading it takes 50 ms.
  const address = libc.mmap(0, size, PROT_READ, MAP_PRIVATE, fd, 0);
  closeSync(fd);
  if (isMapFailed(address)) return use(new Btf(readFileSync(VMLINUX), wanted));
  try {
    return use(new Btf(Buffer.from(nativeView(address, size)), wanted));
  } finally {
    libc.munmap(address, size);
  }
}
