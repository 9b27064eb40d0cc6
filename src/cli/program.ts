// Assembles the command line from its commands, and formats help and usage errors.
import { Command } from "commander";
import { columnsOf } from "../output/terminal/columns.js";
import { write } from "../output/terminal/output.js";
import { printable, shortened } from "../util/printable.js";
import type { AddCommand } from "./add-command.js";
import { addAgent } from "./agent/command.js";
import { addCompletion } from "./completion/command.js";
import { addConnect } from "./connect/command.js";
import { addDemo } from "./demo/command.js";
import { addDoctor } from "./doctor/command.js";
import { addExporter } from "./exporter/command.js";
import { addFleet } from "./fleet/command.js";
import { addLab } from "./lab/command.js";
import { addMan } from "./man/command.js";
import { addPorts } from "./ports/command.js";
import { addProtocol } from "./protocol/command.js";
import { addReport } from "./report/command.js";
import { addServe } from "./serve/command.js";

const EXAMPLES = `
Examples:
  fourtuple serve :7777                  accept and hold connections on 127.0.0.1:7777
  fourtuple connect :7777                open one connection, print what it reads
  fourtuple connect :7777 -c 100k        open 100,000, hold them, print a summary
  fourtuple ports :7777                  who shares that port, from the kernel's own table
  fourtuple doctor -c 1m                 can this host hold a million, and what stops it
  fourtuple exporter                     port pressure and limits, served to Prometheus
  fourtuple lab --quick                  test the claims about 65,535 in two minutes
  fourtuple report run.json              turn a run's --json output into a page
  fourtuple demo                         server and client at once, counted by the kernel`;

const COMMANDS: Readonly<Record<string, AddCommand>> = {
  serve: addServe,
  connect: addConnect,
  ports: addPorts,
  doctor: addDoctor,
  exporter: addExporter,
  lab: addLab,
  fleet: addFleet,
  agent: addAgent,
  report: addReport,
  protocol: addProtocol,
  demo: addDemo,
  completion: addCompletion,
  man: addMan,
};
/** Commands that describe all others. */
const ABOUT_ALL = ["completion", "man"];

/** Maximum width of help texts. */
const HELP_WIDTH = 100;
/** Maximum length of a usage error in characters; enough for the longest list of choices. */
const LONGEST_MISTAKE = 400;

/**
 * Parses the arguments and runs the command.
 *
 * @returns the exit code
 * @throws {CommanderError} for invalid arguments, or when help was requested; the text has been printed by then
 */
export async function runProgram(args: readonly string[], version: string): Promise<number> {
  let exitCode = 0;
  const program = new Command("fourtuple")
    .description("Opens and holds millions of TCP connections, and shows what limits them.")
    .usage("<command> [options]")
    .version(version)
    .exitOverride()
    // The descriptions already give choices and defaults, more briefly than commander would.
    .configureHelp({
      helpWidth: Math.min(HELP_WIDTH, columnsOf(process.stdout) ?? HELP_WIDTH),
      optionDescription: ({ description }) => description,
      argumentDescription: ({ description }) => description,
    })
    .configureOutput({
      outputError: (text, write) => write(mistake(text)),
      writeOut: (text) => write(process.stdout, text),
      writeErr: (text) => write(process.stderr, text),
    })
    .addHelpText("after", EXAMPLES);
  for (const name of commandsFor(args[0])) {
    COMMANDS[name]!(program, (code) => {
      exitCode = code;
    });
  }
  for (const command of program.commands)
    command.showHelpAfterError(`usage: fourtuple ${command.name()} ${command.usage()}`);
  program.showHelpAfterError(`usage: fourtuple <${Object.keys(COMMANDS).join("|")}> [options]`);
  if (args.length === 0) program.outputHelp();
  else await program.parseAsync(isUnknown(args[0]) ? args.slice(0, 1) : args, { from: "user" });
  return exitCode;
}

/** Whether a word is no command. With --help, commander would print the program's help instead of saying so. */
function isUnknown(word: string | undefined): boolean {
  return word !== undefined && !word.startsWith("-") && word !== "help" && !Object.hasOwn(COMMANDS, word);
}

/** Returns the commands to define: only the given one if possible, because defining all options takes time. */
function commandsFor(given: string | undefined): string[] {
  const isSufficient = given !== undefined && Object.hasOwn(COMMANDS, given) && !ABOUT_ALL.includes(given);
  return isSufficient ? [given] : Object.keys(COMMANDS);
}

/**
 * Puts commander's message on one line and makes it safe to print. A suggestion is kept on a line of its own.
 */
function mistake(text: string): string {
  const [, said = "", hint = ""] = /^(?:error: )?([\s\S]*?)(\n\(Did you mean [^\n]*\))?$/.exec(text.trimEnd()) ?? [];
  return `Fatal error: ${shortened(printable(said), LONGEST_MISTAKE)}${hint}\n`;
}
