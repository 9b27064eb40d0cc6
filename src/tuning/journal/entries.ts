// What a journal's lines hold, and whether a line can be one of --apply's.
import type { output } from "zod";
import { z } from "../../util/zod.js";
import { isSetting, isValueOf } from "../settings.js";

/** A change that was about to be made. */
export interface JournalEntry {
  readonly id: string;
  /** ISO 8601. */
  readonly time: string;
  /** undefined when it could not be read. */
  readonly bootId?: string | undefined;
  /** Of a setting that each network namespace has for itself. */
  readonly netNamespace?: string | undefined;
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** `done` and `failed` are what became of the change, `undone` and `expired` of its undoing. */
export type Mark = "done" | "failed" | "undone" | "expired";

/** An entry with the last of its marks. */
export interface KeptEntry extends JournalEntry {
  /** undefined when the program ended between the entry and the mark: whether the change was made, the setting tells. */
  readonly mark: Mark | undefined;
  /** What the kernel made of `to`. */
  readonly value: string | undefined;
}

const text = z.string().max(200);

const entrySchema = z
  .object({
    id: text,
    time: text,
    bootId: text.optional(),
    netNamespace: text.optional(),
    name: text.refine(isSetting, "no setting that --apply writes"),
    from: z.string(),
    to: z.string(),
  })
  .refine(({ name, from, to }) => isValueOf(name, from) && isValueOf(name, to), "no values of that setting");

const markSchema = z.object({
  id: text,
  mark: z.enum(["done", "failed", "undone", "expired"]),
  // What the kernel made of it: compared, and never written.
  value: z.string().optional(),
});

/** Reads a line. @returns undefined for a line that is torn, a reason for one that this program has not written */
export function parseLine(line: string): output<typeof entrySchema> | output<typeof markSchema> | string | undefined {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return undefined;
  }
  const isMark = typeof record === "object" && record !== null && "mark" in record;
  const parsed = (isMark ? markSchema : entrySchema).safeParse(record);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  return path.length === 0 ? message : `${path.join(".")}: ${message}`;
}
