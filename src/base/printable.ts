/** A text that somebody else chose, such as a process's name: it may hold escape codes, or a line's end. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}
