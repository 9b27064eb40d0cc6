// Writes the manual page from the command declarations, in the macros of man(7).
import type { Command } from "commander";
import { DEBUG } from "../../util/debug/trace.js";

/** @returns the text of fourtuple.1 */
export function manualPage(program: Command): string {
  const name = program.name();
  return [
    `.TH ${quoted(name.toUpperCase())} 1 "" ${quoted(`${name} ${program.version()}`)} "User Commands"`,
    ".SH NAME",
    `${escaped(name)} \\- ${escaped(program.description().replace(/\.$/, ""))}`,
    ".SH SYNOPSIS",
    `.B ${escaped(name)}`,
    ".I command",
    ".RI [ options ]",
    ".SH COMMANDS",
    ...program.commands.flatMap((command) => section(name, command)),
    ".SH EXIT STATUS",
    ...item("0", "The target was met."),
    ...item("1", "The target was not met, or the command failed."),
    ...item("2", "The command line or an input file is invalid."),
    ...item("3", "The host does not support or permit the operation."),
    ".SH ENVIRONMENT",
    ...item(DEBUG, "Set to 1 to trace a run on standard error and to print the stack of an error."),
    ".SH SEE ALSO",
    ".BR ss (8),",
    ".BR tcp (7),",
    ".BR ip (7)",
    "",
  ].join("\n");
}

function section(name: string, command: Command): string[] {
  const title = `${name} ${command.name()} ${command.usage()}`.trim();
  const options = command.options.filter(({ hidden }) => !hidden);
  return [
    `.SS ${quoted(title)}`,
    escaped(command.description()),
    ...command.registeredArguments
      .filter(({ description }) => description !== "")
      .flatMap((each) => item(each.name(), each.description)),
    ...options.flatMap(({ flags, description }) => item(flags, description)),
    ...command.commands.flatMap((each) => section(`${name} ${command.name()}`, each)),
  ];
}

function item(term: string, text: string): string[] {
  return [".TP", `.B ${escaped(term)}`, escaped(text)];
}

/** Escapes a text that may have several lines. A line must not begin with a control character. */
function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replace(/^(?=[.'])/gm, "\\&")
    .replace(/\n\s*\n/g, "\n.PP\n");
}

function quoted(text: string): string {
  return `"${escaped(text).replaceAll('"', "\\(dq")}"`;
}
