// Options for user-defined protocols on the command line: `fourtuple connect --help protocol`.
import { Option } from "commander";
import type { ScriptOptions } from "../../protocols/spec/scripted.js";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import type { Topic } from "./topic.js";

/** Options as parsed from the command line. */
export type ScriptCommandOptions = ScriptOptions;

const OPTIONS = () => [
  new Option("--protocol <file>", "use the protocol that this file defines; its code runs in this process"),
  new Option("--data <file>", "give each connection a row of this CSV or JSON-lines file"),
  new Option("--data-once", "use each row only once (default: start over after the last)"),
  new Option("--seed <n>", "seed for the protocol's random numbers (default: 1)").argParser(parseSeed),
];

const EXAMPLES = {
  connect: `
Examples:
  fourtuple protocol new chat.mjs                                  write a skeleton
  fourtuple connect :7777 --protocol chat.mjs -c 10k -r 0.5        a message every 2 s on each connection
  fourtuple connect tls://chat.example.org:7777 --protocol chat.mjs -c 1k --data users.csv`,
  serve: `
Examples:
  fourtuple protocol new chat.mjs                  write a skeleton
  fourtuple serve :7777 --protocol chat.mjs`,
} as const;

export const scriptTopic: Topic = { options: OPTIONS, examples: EXAMPLES };

export function scriptOptionsOf({ protocol, data, dataOnce, seed }: ScriptCommandOptions): ScriptOptions {
  return { protocol, data, dataOnce, seed };
}

function parseSeed(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new AppError("E_OPTION", `--seed: invalid number: ${quoted(text)}`, { fix: "use a whole number, such as 42" });
}
