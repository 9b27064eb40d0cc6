// Writes words for a shell's command line.

/** Returns a word as a shell requires it: in quotes if it contains anything but harmless characters. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
