// The command line of this process, as it is typed again: words that a shell would take apart are quoted.

/** `fourtuple connect :7777 -m 'a b'` */
export function commandLine(words: readonly string[] = process.argv.slice(2)): string {
  return ["fourtuple", ...words.map(quote)].join(" ");
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
