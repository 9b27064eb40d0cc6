// Handles escape sequences in command-line texts, similar to those of printf(1), so that a message can contain
// bytes that a shell cannot pass.
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";

const SIMPLE: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, "0": 0x00, "\\": 0x5c };

/**
 * Replaces `\n`, `\r`, `\t`, `\0`, `\\` and `\xHH`.
 *
 * @param option the option's name, for errors
 * @returns the bytes; other characters are in UTF-8
 * @throws {AppError} E_OPTION for any other sequence
 */
export function unescapeText(text: string, option: string): Uint8Array {
  const parts: Uint8Array[] = [];
  let from = 0;
  for (let at = text.indexOf("\\"); at >= 0; at = text.indexOf("\\", from)) {
    parts.push(Buffer.from(text.slice(from, at)));
    const [sequence, hex] = /^\\(?:x([0-9a-f]{2})|[nrt0\\])/i.exec(text.slice(at, at + 4)) ?? [];
    const byte = hex === undefined ? SIMPLE[sequence?.[1] ?? ""] : Number.parseInt(hex, 16);
    if (sequence === undefined || byte === undefined) {
      throw new AppError("E_OPTION", `${option}: unknown escape sequence ${quoted(text.slice(at, at + 2))}`, {
        fix: "use \\n, \\r, \\t, \\0 or \\xHH, and \\\\ for a backslash",
      });
    }
    parts.push(Uint8Array.of(byte));
    from = at + sequence.length;
  }
  parts.push(Buffer.from(text.slice(from)));
  return Buffer.concat(parts);
}
