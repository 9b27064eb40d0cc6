// Paints text on a terminal. Files, pipes and NO_COLOR get plain text.
import { styleText } from "node:util";
import { columnsOf } from "./columns.js";

export type Tone = "bold" | "dim" | "good" | "bad" | "accent";
/** Paints text for an output whose width it knows. */
export interface Paint {
  (tone: Tone, text: string): string;
  /** Width of the terminal; undefined if lines may have any length. */
  readonly columns?: number | undefined;
}

const FORMATS = { bold: "bold", dim: "dim", good: "green", bad: "red", accent: "cyan" } as const;

export const plain: Paint = (_, text) => text;

/**
 * Returns the paint for a stream. There are no colours if the stream is not a terminal or the user does not want
 * them (https://no-color.org).
 */
export function paintFor(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: NodeJS.ProcessEnv = process.env,
): Paint {
  const isPlain = !stream.isTTY || env.NO_COLOR || env.TERM === "dumb";
  const paint = (tone: Tone, text: string) =>
    isPlain ? text : styleText(FORMATS[tone], text, { validateStream: false });
  return Object.assign(paint, { columns: columnsOf(stream) });
}
