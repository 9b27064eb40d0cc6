// What can be completed, read from commander's declarations: so a new option needs nothing here.
import type { Argument, Command, Option } from "commander";

/** What a value is completed by: words from a list, names of files, or nothing. */
export type Values = readonly string[] | "files" | "free";

export interface CompletedOption {
  /** `-c` and `--connections`, or one of them. */
  readonly flags: readonly string[];
  readonly about: string;
  /** Undefined where it takes no value. */
  readonly values: Values | undefined;
  /** It can be given without its value. */
  readonly isValueOptional: boolean;
}

export interface CompletedCommand {
  readonly name: string;
  readonly about: string;
  readonly options: readonly CompletedOption[];
  readonly argument: Values;
}

/** The commands of a program, hidden options left out. */
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

/** The placeholder tells files: `<file>`, `[file]`, `<run.json>`. */
function valuesOf(of: Option | Argument | undefined): Values {
  if (of === undefined) return "free";
  if (of.argChoices) return of.argChoices;
  const placeholder = "flags" in of ? of.flags : of.name();
  return /file|\.json/.test(placeholder) ? "files" : "free";
}
