// Merges two results of the same role.
import type { ConnectResult } from "../connect.js";
import type { ServeResult } from "../serve.js";
import { mergeConnect } from "./connect.js";
import { mergeServe } from "./serve.js";

/** @param other result of the same kind as `one` */
export function merge(
  one: ConnectResult | ServeResult,
  other: ConnectResult | ServeResult,
): ConnectResult | ServeResult {
  return one.kind === "connect" ? mergeConnect(one, other as ConnectResult) : mergeServe(one, other as ServeResult);
}
