// Words for identifiers in results, shared by the terminal and the pages.
import type { Whose } from "../../results/diagnosis.js";
import type { LabVerdict } from "../../results/lab/lab.js";
import type { Caps, LimitVerdict } from "../../results/limits.js";

export const SIDES: Readonly<Record<Whose, string>> = {
  local: "on this side",
  peer: "on the peer's side",
  network: "on the network path",
};

export const LAB_VERDICT_WORDS: Readonly<Record<LabVerdict, string>> = {
  confirmed: "confirmed",
  refuted: "refuted",
  inconclusive: "inconclusive",
  failed: "failed",
  skipped: "skipped",
};

export const LIMIT_VERDICT_WORDS: Readonly<Record<LimitVerdict, string>> = {
  ok: "ok",
  insufficient: "too low",
  low: "low",
  unknown: "unknown",
};

/** Returns the word for what a limit caps. */
export function capsWord(caps: Caps): string {
  return caps === "source-ports" ? "source ports" : caps;
}
