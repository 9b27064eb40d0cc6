// Encodes messages and stored values as JSON, compressed when they are long.
import { gunzipSync, gzipSync } from "node:zlib";
import { AppError } from "../util/errors.js";
import { formatBytes } from "../util/units.js";

/** Below this, compressing costs more than it saves. */
const WORTH_COMPRESSING = 4096;
/** No message or result is longer than this in JSON, whatever a peer claims. */
export const LONGEST = 64 * 2 ** 20;
const GZIP_MAGIC = 0x1f;

/** @throws {AppError} E_FLEET if nobody would decode it */
export function encode(value: object): Uint8Array {
  const json = Buffer.from(JSON.stringify(value));
  if (json.length > LONGEST) {
    throw new AppError(
      "E_FLEET",
      `a message of ${formatBytes(json.length)} is longer than agents read (${formatBytes(LONGEST)})`,
      {
        fix: "use fewer destinations or a shorter message",
      },
    );
  }
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
