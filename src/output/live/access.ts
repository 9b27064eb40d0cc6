// Tells those who may stop a run from those who may only watch it: other users of this host can open the live page too.
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Header that carries the token. A page of another site cannot send it without permission (CORS). */
export const TOKEN_HEADER = "x-fourtuple-token";

/** Returns whether a request carries the token. */
export function hasToken(headers: IncomingHttpHeaders, token: string): boolean {
  const given = headers[TOKEN_HEADER];
  // Compare hashes, because timingSafeEqual() requires equal lengths.
  return typeof given === "string" && timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
