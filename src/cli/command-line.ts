// Reconstructs this process's command line, quoting words as a shell requires.

/** Returns a command line such as `fourtuple connect :7777 -m 'a b'`. */
export function commandLine(words: readonly string[] = process.argv.slice(2)): string {
  return ["fourtuple", ...words.map(quote)].join(" ");
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
