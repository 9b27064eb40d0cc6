// What a command's file exports: the command line as a whole imports the commands, and they this.
import type { Command } from "commander";

/** Adds a command to the program; `finish` takes its exit code. */
export type AddCommand = (program: Command, finish: (exitCode: number) => void) => void;
