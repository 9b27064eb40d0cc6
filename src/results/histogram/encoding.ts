// Encodes histograms as text in HdrHistogram's compressed V2 encoding, in base64, which HDR libraries in other
// languages and log viewers can read. A cookie and a length precede zlib data, which contains a header of 40 bytes and
// the counts up to the last nonzero one. Each count is a ZigZag LEB128 number; a negative number represents a run of
// zeros.
import { deflateSync, inflateSync } from "node:zlib";
import { AppError } from "../../util/errors.js";
import { BUCKETS, HIGHEST_US, LOWEST_US, SIGNIFICANT_DIGITS } from "./buckets.js";
import { Histogram } from "./histogram.js";

const COOKIE = 0x1c849313;
const COMPRESSED_COOKIE = 0x1c849314;
const COMPRESSED_HEADER_BYTES = 8;
const HEADER_BYTES = 40;
const AT = { cookie: 0, payloadBytes: 4, indexOffset: 8, digits: 12, lowest: 16, highest: 24, ratio: 32 } as const;
/** Maximum length of a number: eight groups of seven bits, and one full byte. */
const WORD_BYTES = 9;
const LONGEST = HEADER_BYTES + BUCKETS * WORD_BYTES;

/** Encodes a histogram in HdrHistogram's compressed V2 encoding, as base64. */
export function encodeHistogram(histogram: Histogram): string {
  const payload = encodeCounts(histogram.counts);
  const plain = Buffer.alloc(HEADER_BYTES + payload.length);
  plain.writeInt32BE(COOKIE, AT.cookie);
  plain.writeInt32BE(payload.length, AT.payloadBytes);
  plain.writeInt32BE(SIGNIFICANT_DIGITS, AT.digits);
  plain.writeBigInt64BE(BigInt(LOWEST_US), AT.lowest);
  plain.writeBigInt64BE(BigInt(HIGHEST_US), AT.highest);
  plain.writeDoubleBE(1, AT.ratio);
  plain.set(payload, HEADER_BYTES);
  const compressed = deflateSync(plain);
  const header = Buffer.alloc(COMPRESSED_HEADER_BYTES);
  header.writeInt32BE(COMPRESSED_COOKIE, 0);
  header.writeInt32BE(compressed.length, 4);
  return Buffer.concat([header, compressed]).toString("base64");
}

/**
 * Decodes the output of encodeHistogram(), or that of another HDR library for a histogram with the same buckets.
 *
 * @throws {AppError} E_OPTION for any other input, whatever length it claims
 */
export function decodeHistogram(text: string): Histogram {
  const histogram = decode(text);
  if (!histogram) {
    throw new AppError("E_OPTION", "a latency histogram of the result cannot be read", {
      fix: "use a result as `fourtuple connect --json` printed it",
    });
  }
  return histogram;
}

/** Returns whether decodeHistogram() accepts a text. */
export function isHistogram(text: string): boolean {
  return decode(text) !== undefined;
}

function decode(text: string): Histogram | undefined {
  const histogram = new Histogram();
  return decodeInto(histogram.counts, Buffer.from(text, "base64")) ? histogram : undefined;
}

function decodeInto(counts: Float64Array, bytes: Buffer): boolean {
  if (bytes.length < COMPRESSED_HEADER_BYTES || bytes.readInt32BE(0) !== COMPRESSED_COOKIE) return false;
  if (bytes.readInt32BE(4) !== bytes.length - COMPRESSED_HEADER_BYTES) return false;
  const plain = inflate(bytes.subarray(COMPRESSED_HEADER_BYTES));
  if (plain === undefined || plain.length < HEADER_BYTES || plain.readInt32BE(AT.cookie) !== COOKIE) return false;
  const isOurs =
    plain.readInt32BE(AT.payloadBytes) === plain.length - HEADER_BYTES &&
    plain.readInt32BE(AT.indexOffset) === 0 &&
    plain.readInt32BE(AT.digits) === SIGNIFICANT_DIGITS &&
    plain.readBigInt64BE(AT.lowest) === BigInt(LOWEST_US) &&
    plain.readDoubleBE(AT.ratio) === 1;
  return isOurs && decodeCounts(counts, plain.subarray(HEADER_BYTES));
}

function inflate(compressed: Buffer): Buffer | undefined {
  try {
    return inflateSync(compressed, { maxOutputLength: LONGEST });
  } catch {
    return undefined;
  }
}

function encodeCounts(counts: Float64Array): Buffer {
  // An empty histogram is encoded as its first count.
  const end = Math.max(1, counts.findLastIndex((count) => count > 0) + 1);
  const words: number[] = [];
  for (let bucket = 0; bucket < end; ) {
    let zeros = 0;
    while (bucket + zeros < end && counts[bucket + zeros] === 0) zeros++;
    // ZigZag: 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4. A single zero is written as zero.
    pushWord(words, zeros > 1 ? 2 * zeros - 1 : 2 * counts[bucket]!);
    bucket += Math.max(1, zeros);
  }
  return Buffer.from(words);
}

/** Counts are below 2^53, so the encoding's ninth byte, which holds eight bits, is never needed. */
function pushWord(bytes: number[], word: number): void {
  let rest = word;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
}

/** @returns whether the counts are integers and fit into the buckets */
function decodeCounts(counts: Float64Array, payload: Buffer): boolean {
  let bucket = 0;
  for (let at = 0; at < payload.length; ) {
    let word = 0;
    let scale = 1;
    let byte: number;
    do {
      if (at >= payload.length || scale > 2 ** 49) return false;
      byte = payload[at++]!;
      word += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80);
    if (word % 2 === 1) {
      bucket += (word + 1) / 2;
    } else {
      if (bucket >= BUCKETS || word / 2 > Number.MAX_SAFE_INTEGER) return false;
      counts[bucket++] = word / 2;
    }
  }
  return bucket <= BUCKETS;
}
