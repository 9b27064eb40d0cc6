// Parses a row of a data file: CSV (RFC 4180) or a JSON object.

const [LF, CR, QUOTE, COMMA] = [10, 13, 34, 44] as const;

/** Parses the row that begins at `start` and ends before the first line end outside quotes, or at `end`. */
export function parseCsvRow(bytes: Buffer, start: number, end: number): string[] {
  const fields: string[] = [];
  let at = start;
  for (;;) {
    if (bytes[at] === QUOTE) {
      const close = closingQuote(bytes, at + 1, end);
      fields.push(bytes.toString("utf8", at + 1, close).replaceAll('""', '"'));
      at = close + 1;
      while (at < end && bytes[at] !== COMMA && bytes[at] !== LF) at++;
    } else {
      let to = at;
      while (to < end && bytes[to] !== COMMA && bytes[to] !== LF) to++;
      const hasCr = to > at && bytes[to - 1] === CR && (to === end || bytes[to] === LF);
      fields.push(bytes.toString("utf8", at, hasCr ? to - 1 : to));
      at = to;
    }
    if (at >= end || bytes[at] === LF) return fields;
    at++;
  }
}

/**
 * @returns the fields as text; values other than strings as JSON
 * @throws {SyntaxError} if the row is not a JSON object
 */
export function parseJsonRow(text: string): Record<string, string> {
  const row: unknown = JSON.parse(text);
  if (typeof row !== "object" || row === null || Array.isArray(row)) throw new SyntaxError("not a JSON object");
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

/** Returns the index of the quote that closes a field, skipping doubled ones. */
function closingQuote(bytes: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (bytes[at] !== QUOTE) continue;
    if (bytes[at + 1] !== QUOTE || at + 1 >= end) return at;
    at++;
  }
  return end;
}
