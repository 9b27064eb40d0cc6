// Colours for people: words painted on a terminal, left as they are in a file, in a pipe or under NO_COLOR.
import { styleText } from "node:util";

export type Tone = "bold" | "dim" | "good" | "bad" | "accent";
export type Paint = (tone: Tone, text: string) => string;

const FORMATS = { bold: "bold", dim: "dim", good: "green", bad: "red", accent: "cyan" } as const;

export const plain: Paint = (_, text) => text;

/** The paint for a stream: none where nobody sees it or nobody wants it (https://no-color.org). */
export function paintFor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Paint {
  if (!stream.isTTY || env.NO_COLOR || env.TERM === "dumb") return plain;
  return (tone, text) => styleText(FORMATS[tone], text, { validateStream: false });
}
