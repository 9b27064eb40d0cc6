// Type of the function that each command's file exports. The type has its own file to avoid an import cycle with
// program.ts.
import type { Command } from "commander";

/** Adds a command to the program; `finish` receives its exit code. */
export type AddCommand = (program: Command, finish: (exitCode: number) => void) => void;
