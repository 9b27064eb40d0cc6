// From a result to its report: one HTML file. Loaded when a report is asked for; charts bring a library with them.
import type { ConnectResult } from "../connect/result.js";
import type { LabResult } from "../lab/result.js";
import { connectPage } from "./connect-page.js";
import { labPage } from "./lab-page.js";

/** @returns a page that opens without a network and without a script */
export function render(result: ConnectResult | LabResult): string {
  return result.kind === "lab" ? labPage(result) : connectPage(result);
}
