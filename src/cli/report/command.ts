// `fourtuple report`: turns a run's result into one HTML page.
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
    .summary("turn a run's --json output into an HTML page")
    .description(
      "Turns the output of `connect --json`, `serve --json` or `lab --json` into a self-contained page\nthat opens offline and prints well.",
    )
    .argument("<run.json>", "the run's --json output (- for standard input)")
    .option("-o, --output <file>", "file to write (default: next to the input, as .html; - for standard output)")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, { output }: { readonly output?: string }) => {
      const { runReport } = await import("./run.js");
      finish(await runReport(file, output));
    });
};
