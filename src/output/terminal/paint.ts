// Colours for people: words painted on a terminal, left as they are in a file, in a pipe or under NO_COLOR.
import { styleText } from "node:util";
import { columnsOf } from "./columns.js";

export type Tone = "bold" | "dim" | "good" | "bad" | "accent";
/** How text looks where it is shown: its colours, and the width that a table may have. */
export interface Paint {
  (tone: Tone, text: string): string;
  /** The terminal's width; undefined where lines may be of any length. */
  readonly columns?: number | undefined;
}

const FORMATS = { bold: "bold", dim: "dim", good: "green", bad: "red", accent: "cyan" } as const;

export const plain: Paint = (_, text) => text;

/** The paint for a stream: no colours where nobody sees them or nobody wants them (https://no-color.org). */
export function paintFor(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: NodeJS.ProcessEnv = process.env,
): Paint {
  const isPlain = !stream.isTTY || env.NO_COLOR || env.TERM === "dumb";
  const paint = (tone: Tone, text: string) =>
    isPlain ? text : styleText(FORMATS[tone], text, { validateStream: false });
  return Object.assign(paint, { columns: columnsOf(stream) });
}
