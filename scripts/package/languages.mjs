// Removes from Node's binary the data of languages other than English, a quarter of its size: ICU's data lies in the
// binary as one table of named items. What remains is moved together, and the rest is cut out of the file.
import { cutOut } from "./elf.mjs";

/** Start of ICU's table of items in memory, after its header: `CmnD`, version 1. */
const FORMAT = Buffer.from("436d6e4401000000", "hex");
/** Distance from the start of the header to the format, and its magic number: `MappedData` and `UDataInfo`. */
const FORMAT_AT = 12;
const MAGIC = 0x27da;
const MAGIC_AT = 2;
/** ICU aligns items so. */
const ALIGNMENT = 16;
/** Names of locales, such as `de`, `zh_Hans_CN` and `ca_ES_VALENCIA`; other data has longer names (`supplementalData`). */
const LOCALE = /^[a-z]{2,3}(_[A-Z][a-z]{3})?(_[A-Z\d]+)*$/;
const ENGLISH = /^en(_001|_US)?$/;

/**
 * Returns the binary without the data of other languages. They are formatted and sorted as in English then; character
 * sets and the properties of characters are complete.
 *
 * @param {Buffer} binary
 * @throws {Error} if the binary does not contain ICU's data
 */
export function keepOnlyEnglish(binary) {
  const start = tableOf(binary);
  const { items, toc } = itemsOf(binary, start);
  const kept = items.filter(({ name }) => isNeeded(name));
  const packed = pack(binary.subarray(start, toc), kept);
  // The length of the last item is not recorded, so it stays where it is, unused.
  const end = /** @type {Item} */ (items.at(-1)).start;
  if (isNeeded(/** @type {Item} */ (items.at(-1)).name) || start + packed.length > end)
    throw new Error("unexpected order of ICU's data");
  packed.copy(binary, start);
  return cutOut(binary, start + packed.length, end);
}

/** @param {Buffer} binary */
function tableOf(binary) {
  const found = [];
  for (let at = binary.indexOf(FORMAT); at !== -1; at = binary.indexOf(FORMAT, at + 1)) {
    const start = at - FORMAT_AT;
    if (start >= 0 && binary.readUInt16LE(start + MAGIC_AT) === MAGIC) found.push(start);
  }
  if (found.length !== 1) throw new Error(`the binary contains ${found.length} tables of ICU's data, expected one`);
  return /** @type {number} */ (found[0]);
}

/** @typedef {{ name: string, start: number, bytes: Buffer }} Item */

/**
 * @param {Buffer} binary
 * @param {number} start
 */
function itemsOf(binary, start) {
  const toc = start + binary.readUInt16LE(start);
  const count = binary.readUInt32LE(toc);
  const offset = (/** @type {number} */ index, /** @type {number} */ field) =>
    toc + binary.readUInt32LE(toc + 4 + 8 * index + 4 * field);
  /** @type {Item[]} */
  const items = [];
  for (let index = 0; index < count; index++) {
    const nameAt = offset(index, 0);
    const name = binary.toString("latin1", nameAt, binary.indexOf(0, nameAt));
    const at = offset(index, 1);
    items.push({ name, start: at, bytes: binary.subarray(at, index + 1 < count ? offset(index + 1, 1) : at) });
  }
  return { items, toc };
}

/** @param {string} item as in `icudt78l/curr/de.res` */
function isNeeded(item) {
  const [, base = "", kind] = /([^/]+)\.([^.]+)$/.exec(item) ?? [];
  // Dictionaries find words in languages written without spaces.
  return kind !== "dict" && !(kind === "res" && LOCALE.test(base) && !ENGLISH.test(base));
}

/**
 * @param {Buffer} header
 * @param {readonly Item[]} items
 */
function pack(header, items) {
  const names = items.map(({ name }) => Buffer.from(`${name}\0`, "latin1"));
  const toc = Buffer.alloc(4 + 8 * items.length);
  toc.writeUInt32LE(items.length);
  let at = toc.length;
  for (const [index, name] of names.entries()) {
    toc.writeUInt32LE(at, 4 + 8 * index);
    at += name.length;
  }
  const gap = aligned(at) - at;
  at += gap;
  const data = items.map(({ bytes }) => Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]));
  for (const [index, bytes] of data.entries()) {
    toc.writeUInt32LE(at, 8 + 8 * index);
    at += bytes.length;
  }
  return Buffer.concat([header, toc, ...names, Buffer.alloc(gap), ...data]);
}

/** @param {number} length */
function aligned(length) {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}
