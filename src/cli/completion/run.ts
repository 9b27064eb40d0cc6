// Prints a shell completion script generated from the command declarations.
import type { Command } from "commander";
import { printFile } from "../../output/terminal/output.js";
import { bashScript } from "./bash.js";
import { describeCommands } from "./describe.js";
import { fishScript } from "./fish.js";
import type { Shell } from "./shells.js";
import { zshScript } from "./zsh.js";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** @returns the exit code */
export function runCompletion(program: Command, shell: Shell): number {
  printFile(SCRIPTS[shell](program.name(), describeCommands(program)));
  return 0;
}
