// Encodes messages and stored values as JSON, compressed when they are long.
import { gunzipSync, gzipSync } from "node:zlib";

/** Below this, compressing costs more than it saves. */
const WORTH_COMPRESSING = 4096;
/** No result is longer than this, whatever a peer claims. */
const LONGEST = 64 * 2 ** 20;
const GZIP_MAGIC = 0x1f;

export function encode(value: object): Uint8Array {
  const json = Buffer.from(JSON.stringify(value));
  return json.length < WORTH_COMPRESSING ? json : gzipSync(json);
}

/** @returns the value; undefined if the bytes are not an encoded value */
export function decode(bytes: Uint8Array): unknown {
  try {
    const json = bytes[0] === GZIP_MAGIC ? gunzipSync(bytes, { maxOutputLength: LONGEST }) : Buffer.from(bytes);
    return JSON.parse(json.toString("utf8"));
  } catch {
    return undefined;
  }
}
