// The stamp at the beginning of a payload: who published it, as which of its messages, and when it was due. Whoever receives it can tell its
// latency, what is missing and what came twice, in another thread or program too.

/** At the beginning of each. */
const MAGIC = 0x34_74_70_6c;
export const STAMP_SIZE = 24;

export interface Stamp {
  /** Random for each worker: what tells runs apart. */
  publisher: number;
  /** The publishing connection's number in its run. */
  number: number;
  /** Of the connection's messages, counted from 1. */
  sequence: number;
  /** Microseconds since the epoch. */
  dueUs: number;
}

export function writeStamp(view: DataView, at: number, stamp: Stamp): void {
  view.setUint32(at, MAGIC);
  view.setUint32(at + 4, stamp.publisher);
  view.setUint32(at + 8, stamp.number);
  view.setUint32(at + 12, stamp.sequence);
  view.setFloat64(at + 16, stamp.dueUs);
}

const floats = new DataView(new ArrayBuffer(8));

/** Reads the stamp at `at`, of which there are bytes up to `end`, into `stamp`. @returns whether there is one */
export function readStamp(stamp: Stamp, bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < STAMP_SIZE || uint32At(bytes, at) !== MAGIC) return false;
  stamp.publisher = uint32At(bytes, at + 4);
  stamp.number = uint32At(bytes, at + 8);
  stamp.sequence = uint32At(bytes, at + 12);
  for (let n = 0; n < 8; n++) floats.setUint8(n, bytes[at + 16 + n]!);
  stamp.dueUs = floats.getFloat64(0);
  // The next one has a number, too.
  return stamp.sequence > 0 && stamp.sequence < 0xffff_ffff;
}

function uint32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
