// Defines the format of the journal's lines, and checks whether --apply can have written them.
import type { output } from "zod";
import type { ProcessIdentity } from "../../linux/proc/identity.js";
import { z } from "../../util/zod.js";
import { isSetting, isValueOf } from "../settings.js";

/** The change that was about to be made. */
export interface JournalEntry {
  readonly id: string;
  /** Time of the change in ISO 8601. */
  readonly time: string;
  /** Earlier value; undefined if it could not be read. */
  readonly bootId?: string | undefined;
  /** Present for a setting that each network namespace has separately. */
  readonly netNamespace?: string | undefined;
  /** Identifies that namespace for good; missing on older kernels. */
  readonly netCookie?: string | undefined;
  /** The run that needs the change and reverts it at its end; undefined for a change that is meant to last. */
  readonly owner?: ProcessIdentity | undefined;
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** Outcome of the change (`done`, `failed`) or of its undo (`undone`, `expired`). */
export type Mark = "done" | "failed" | "undone" | "expired";

/** An entry with its last mark. */
export interface KeptEntry extends JournalEntry {
  /**
   * The last mark; undefined if the program exited between writing the entry and its mark. The setting then shows
   * whether the change was made.
   */
  readonly mark: Mark | undefined;
  /** The value that the kernel made of `to`. */
  readonly value: string | undefined;
}

const text = z.string().max(200);

const entrySchema = z
  .object({
    id: text,
    time: text,
    bootId: text.optional(),
    netNamespace: text.optional(),
    netCookie: text.optional(),
    owner: z.object({ pid: z.number(), startTicks: z.number(), pidNamespace: text.optional() }).optional(),
    name: text.refine(isSetting, "not a setting that --apply writes"),
    from: z.string(),
    to: z.string(),
  })
  .refine(({ name, from, to }) => isValueOf(name, from) && isValueOf(name, to), "not a valid value of that setting");

const markSchema = z.object({
  id: text,
  mark: z.enum(["done", "failed", "undone", "expired"]),
  // The kernel's value, which is only ever compared, never written.
  value: z.string().optional(),
});

/**
 * Parses a line.
 * @returns undefined for a torn line, or the reason why this program cannot have written it
 */
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
