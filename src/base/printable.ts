// Text that somebody else chose, made fit for a terminal.

/** Control characters as `?`: a process's name or a file's text may hold escape codes, or a line's end. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}
