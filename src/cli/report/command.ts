// `fourtuple report`: a run's result as one HTML page.
import type { AddCommand } from "../add-command.js";

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
    .action(async (file: string, { output }: { readonly output?: string }) => {
      const { runReport } = await import("./run.js");
      finish(await runReport(file, output));
    });
};
