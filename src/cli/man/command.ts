// `fourtuple man`: prints the manual page.
import type { AddCommand } from "../add-command.js";

const EXAMPLES = `
Examples:
  fourtuple man | man -l -                           read it
  fourtuple man > /usr/share/man/man1/fourtuple.1    install it`;

export const addMan: AddCommand = (program, finish) => {
  program
    .command("man")
    .usage("")
    .summary("print the manual page")
    .description("Prints the manual page of all commands and options, for man(1).")
    .addHelpText("after", EXAMPLES)
    .action(async () => {
      const { printFile } = await import("../../output/terminal/output.js");
      const { manualPage } = await import("./page.js");
      printFile(manualPage(program));
      finish(0);
    });
};
