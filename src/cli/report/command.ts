// `fourtuple report`: a run's result as one HTML page.
import { basename, dirname, extname, join } from "node:path";
import { print, printFile } from "../../output/terminal/output.js";
import { printable } from "../../util/printable.js";
import { formatBytes } from "../../util/units.js";
import type { AddCommand } from "../add-command.js";
import { openOutput } from "../files/output.js";

interface Options {
  readonly output?: string;
}

const EXAMPLES = `
Examples:
  fourtuple connect :7777 -c 100k --json > run.json && fourtuple report run.json
  fourtuple report lab.json -o lab.html
  fourtuple report - -o - < run.json > run.html`;

export const addReport: AddCommand = (program, finish) => {
  program
    .command("report")
    .usage("[options] <run.json>")
    .summary("a run's --json as one HTML page")
    .description(
      "Draws the result of `connect --json`, `serve --json` or `lab --json` as a page that opens offline and prints.",
    )
    .argument("<run.json>", "the result (- for standard input)")
    .option("-o, --output <file>", "where to write (default: beside the result, as .html; - for standard output)")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: Options) => {
      finish(await runReport(file, options.output ?? pageBeside(file)));
    });
};

async function runReport(file: string, output: string): Promise<number> {
  const { readResult } = await import("./result-file.js");
  const result = readResult(file, ["connect", "serve", "lab"]);
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

/** `runs/a.json` as `runs/a.html`. */
function pageBeside(file: string): string {
  if (file === "-") return "report.html";
  return join(dirname(file), `${basename(file, extname(file))}.html`);
}
