// Recognizes a TLS alert in bytes that are not TLS: a server that expects a ClientHello answers anything else with an
// alert, or closes the connection. @see RFC 8446, 5.1 and 6

/** Length of the record: its type, version and length, then the alert's level and description. */
export const ALERT_BYTES = 7;
const ALERT = 21;
const MAJOR_VERSION = 3;
const LAST_MINOR_VERSION = 4;
const LEVELS = 2;

/** Returns whether the ALERT_BYTES bytes at `start` are an alert. */
export function isTlsAlert(bytes: Uint8Array, start: number): boolean {
  const level = bytes[start + 5]!;
  return (
    bytes[start] === ALERT &&
    bytes[start + 1] === MAJOR_VERSION &&
    bytes[start + 2]! <= LAST_MINOR_VERSION &&
    bytes[start + 3] === 0 &&
    bytes[start + 4] === 2 &&
    level >= 1 &&
    level <= LEVELS
  );
}
