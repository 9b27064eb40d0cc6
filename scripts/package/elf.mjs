// Cuts unused bytes out of an ELF executable. Everything stays at its address in memory: the segment around the cut
// becomes two. Field names are those of elf(5).

const PHDR = 6;
const LOAD = 1;
const NOBITS = 8;
const P_ENTRY = 56;
/** Segments start on pages of this size on all supported processors, or smaller ones. */
const PAGE = 65_536;

/**
 * @typedef {{ type: number, flags: number, offset: number, vaddr: number, paddr: number, filesz: number,
 *   memsz: number, align: number }} Segment
 */

/**
 * Returns the executable without the pages that lie completely in a range.
 *
 * @param {Buffer} elf of 64 bits, little-endian; its contents change
 * @param {number} from offset in the file
 * @param {number} to offset in the file, exclusive
 * @throws {Error} if the range is not inside one segment that is not writable, or is too short
 */
export function cutOut(elf, from, to) {
  if (elf.readUInt32BE(0) !== 0x7f454c46 || elf.readUInt16BE(4) !== 0x0201) throw new Error("not a 64-bit ELF file");
  const segments = segmentsOf(elf);
  const around = segments.find(({ type, offset, filesz }) => type === LOAD && offset <= from && from < offset + filesz);
  if (!around || to > around.offset + around.filesz || (around.flags & 2) !== 0)
    throw new Error("the range is not in one segment of constants");
  // The table of segments has to grow, so it moves to the start of the range. Kernels before 5.18 look for it at its
  // offset in the file, counted from the first segment, so it has to come before the cut.
  const table = Math.ceil(from / 8) * 8;
  const tableSize = (segments.length + 1) * P_ENTRY;
  const toMemory = around.vaddr - around.offset;
  const start = Math.ceil((table + tableSize + toMemory) / PAGE) * PAGE - toMemory;
  const end = Math.floor((to + toMemory) / PAGE) * PAGE - toMemory;
  const length = end - start;
  if (length <= 0) throw new Error("the range is too short");
  const behind = (/** @type {number} */ offset) => (offset >= end ? offset - length : offset);

  const moved = segments.flatMap((segment) => {
    if (segment.type === PHDR) return { ...segment, ...at(table, toMemory), filesz: tableSize, memsz: tableSize };
    if (segment !== around) return { ...segment, offset: behind(segment.offset) };
    const first = start - segment.offset;
    const rest = segment.filesz - first - length;
    return [
      { ...segment, filesz: first, memsz: first },
      { ...segment, ...at(end, toMemory), offset: start, filesz: rest, memsz: rest },
    ];
  });
  writeSegments(elf, table, moved);
  moveSections(elf, start, end, behind);
  return Buffer.concat([elf.subarray(0, start), elf.subarray(end)]);
}

/**
 * @param {number} offset
 * @param {number} toMemory
 */
function at(offset, toMemory) {
  return { offset, vaddr: offset + toMemory, paddr: offset + toMemory };
}

/** @param {Buffer} elf @returns {Segment[]} */
function segmentsOf(elf) {
  const e_phoff = quad(elf, 32);
  return Array.from({ length: elf.readUInt16LE(56) }, (_, index) => {
    const entry = e_phoff + index * P_ENTRY;
    const [offset, vaddr, paddr, filesz, memsz, align] = [8, 16, 24, 32, 40, 48].map((field) =>
      quad(elf, entry + field),
    );
    const [type, flags] = [elf.readUInt32LE(entry), elf.readUInt32LE(entry + 4)];
    return /** @type {Segment} */ ({ type, flags, offset, vaddr, paddr, filesz, memsz, align });
  });
}

/**
 * @param {Buffer} elf
 * @param {number} table
 * @param {readonly Segment[]} segments
 */
function writeSegments(elf, table, segments) {
  for (const [index, { type, flags, ...quads }] of segments.entries()) {
    const entry = table + index * P_ENTRY;
    elf.writeUInt32LE(type, entry);
    elf.writeUInt32LE(flags, entry + 4);
    const { offset, vaddr, paddr, filesz, memsz, align } = quads;
    for (const [place, value] of [offset, vaddr, paddr, filesz, memsz, align].entries())
      elf.writeBigUInt64LE(BigInt(value), entry + 8 + 8 * place);
  }
  elf.writeBigUInt64LE(BigInt(table), 32);
  elf.writeUInt16LE(segments.length, 56);
}

/**
 * Corrects the table of sections, which only tools for binaries read. The section around the cut ends there.
 *
 * @param {Buffer} elf
 * @param {number} start
 * @param {number} end
 * @param {(offset: number) => number} behind
 */
function moveSections(elf, start, end, behind) {
  const e_shoff = quad(elf, 40);
  const [size, count] = [elf.readUInt16LE(58), elf.readUInt16LE(60)];
  for (let index = 0; index < count; index++) {
    const entry = e_shoff + index * size;
    const [offset, length] = [quad(elf, entry + 24), quad(elf, entry + 32)];
    if (offset < start && offset + length > start && elf.readUInt32LE(entry + 4) !== NOBITS)
      elf.writeBigUInt64LE(BigInt(start - offset), entry + 32);
    elf.writeBigUInt64LE(BigInt(behind(offset)), entry + 24);
  }
  if (e_shoff >= end) elf.writeBigUInt64LE(BigInt(behind(e_shoff)), 40);
}

/** @param {Buffer} elf @param {number} at */
function quad(elf, at) {
  return Number(elf.readBigUInt64LE(at));
}
