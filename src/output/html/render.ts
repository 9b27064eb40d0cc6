// Renders a result as a report in one HTML file. This module is loaded only when a
// report is requested.

import type { ConnectResult } from "../../results/connect.js";
import type { Explained } from "../../results/diagnosis.js";
import type { LabResult } from "../../results/lab/lab.js";
import type { ServeResult } from "../../results/serve.js";
import { connectPage } from "./connect-page.js";
import { labPage } from "./lab-page.js";
import { servePage } from "./serve-page.js";

/** @returns a page that needs neither a network nor scripts */
export function render(result: Explained<ConnectResult> | Explained<ServeResult> | LabResult): string {
  if (result.kind === "lab") return labPage(result);
  return result.kind === "serve" ? servePage(result) : connectPage(result);
}
