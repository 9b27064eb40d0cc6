// Describes what is known about a refusal by a protocol: the limit, its owner and
// what to do.
import type { Finding } from "../../../results/diagnosis.js";

export type Known = Pick<Finding, "limit" | "whose" | "meaning" | "fix">;

export const peer = (limit: string, meaning: string, fix: string): Known => ({ limit, whose: "peer", meaning, fix });
export const local = (limit: string, meaning: string, fix: string): Known => ({ limit, whose: "local", meaning, fix });
