// Derives what can be completed from commander's declarations, so that new options need no changes
// here.
import type { Argument, Command, Option } from "commander";

/** Completions of a value: words from a list, file names, or none. */
export type Values = readonly string[] | "files" | "free";

export interface CompletedOption {
  /** The option's names, such as `-c` and `--connections`, or just one of them. */
  readonly flags: readonly string[];
  readonly about: string;
  /** Undefined if the option takes no value. */
  readonly values: Values | undefined;
  /** True if the value may be omitted. */
  readonly isValueOptional: boolean;
}

export interface CompletedCommand {
  readonly name: string;
  readonly about: string;
  readonly options: readonly CompletedOption[];
  readonly argument: Values;
}

/** Returns a program's commands, leaving out hidden options. */
export function describeCommands(program: Command): CompletedCommand[] {
  return program.commands.map((command) => ({
    name: command.name(),
    about: command.summary(),
    options: [...command.options.filter(({ hidden }) => !hidden).map(describeOption), HELP],
    argument: valuesOf(command.registeredArguments[0]),
  }));
}

export const HELP: CompletedOption = {
  flags: ["-h", "--help"],
  about: "display help for command",
  values: undefined,
  isValueOptional: false,
};

function describeOption(option: Option): CompletedOption {
  const takesValue = option.required || option.optional;
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    about: option.description,
    values: takesValue ? valuesOf(option) : undefined,
    isValueOptional: option.optional,
  };
}

/** Detects file arguments by their placeholder, such as `<file>`, `[file]` or `<run.json>`. */
function valuesOf(of: Option | Argument | undefined): Values {
  if (of === undefined) return "free";
  if (of.argChoices) return of.argChoices;
  const placeholder = "flags" in of ? of.flags : of.name();
  return /file|\.json/.test(placeholder) ? "files" : "free";
}
