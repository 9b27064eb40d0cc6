// `fourtuple completion`: prints a shell script that completes commands, options and their values.
import { Argument } from "commander";
import type { AddCommand } from "../add-command.js";
import { SHELLS, type Shell } from "./shells.js";

const EXAMPLES = `
Examples:
  source <(fourtuple completion bash)      in ~/.bashrc
  source <(fourtuple completion zsh)       in ~/.zshrc, after compinit
  fourtuple completion fish | source       in ~/.config/fish/config.fish`;

export const addCompletion: AddCommand = (program, finish) => {
  program
    .command("completion")
    .usage("<shell>")
    .summary("complete commands and options in bash, zsh or fish")
    .description("Prints a script that completes commands, options and their values.")
    .addArgument(new Argument("<shell>", SHELLS.join(", ")).choices(SHELLS))
    .addHelpText("after", EXAMPLES)
    .action(async (shell: Shell) => {
      const { runCompletion } = await import("./run.js");
      finish(runCompletion(program, shell));
    });
};
