// Runs `fourtuple report`: reads a result and writes its page.

import { basename, dirname, extname, join } from "node:path";
import { explained } from "../../diagnosis/explain.js";
import { print, printFile } from "../../output/terminal/output.js";
import { printable } from "../../util/printable.js";
import { formatBytes } from "../../util/units.js";
import { openOutput } from "../files/output.js";
import { readResult } from "./result-file.js";

/**
 * @param output file to write; by default, a file next to the result
 * @returns the exit code
 */
export async function runReport(file: string, output = pageBeside(file)): Promise<number> {
  const read = readResult(file, ["connect", "serve", "lab"]);
  const result = read.kind === "lab" ? read : explained(read);
  // Load the large renderer only once the file has been read.
  const { render } = await import("../../output/html/render.js");
  if (output === "-") {
    printFile(render(result));
    return 0;
  }
  const page = openOutput(output, [file]);
  try {
    const text = render(result);
    page.write(text);
    if (!page.isStandard) print(`${printable(output)}: ${formatBytes(Buffer.byteLength(text))}`);
  } finally {
    page.close();
  }
  return 0;
}

/** Returns the default page for a result, such as `runs/a.html` for `runs/a.json`. */
function pageBeside(file: string): string {
  if (file === "-") return "report.html";
  return join(dirname(file), `${basename(file, extname(file))}.html`);
}
