// Reconstructs this process's command line, quoting words as a shell requires. Secrets are masked, because people
// share results and reports.
import { shellWord } from "../util/shell.js";

const MASK = "***";
/** Headers whose value is a secret. */
const SECRET_HEADER = /^((?:proxy-)?authorization|cookie)\s*:/i;

/** Returns a command line such as `fourtuple connect :7777 -m 'a b'`. */
export function commandLine(words: readonly string[] = process.argv.slice(2)): string {
  return ["fourtuple", ...words.map((word, index) => shellWord(masked(word, words[index - 1])))].join(" ");
}

/**
 * Returns a word with any password or secret header masked.
 * @param before the preceding word
 */
function masked(word: string, before: string | undefined): string {
  if (before === "--password") return MASK;
  if (word.startsWith("--password=")) return `--password=${MASK}`;
  const [, option = "", value = ""] = /^(-H|--header=)(.*)$/s.exec(word) ?? [];
  if (option !== "") return `${option}${maskedHeader(value)}`;
  return before === "-H" || before === "--header" ? maskedHeader(word) : word;
}

function maskedHeader(header: string): string {
  const [, name] = SECRET_HEADER.exec(header) ?? [];
  return name === undefined ? header : `${name}: ${MASK}`;
}
