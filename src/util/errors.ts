// The one error that crosses rooms: a code to branch on, a sentence to read, a fix to try, numbers to check.
// Printing it and choosing an exit code are left to the command line.
import { printable, shortened } from "./printable.js";

/** What went wrong, as a stable code. Add a code here before throwing it. */
export type ErrorCode =
  | "E_ADDRESS"
  | "E_NOT_AUTHORIZED"
  | "E_CONNECT"
  | "E_LISTEN"
  | "E_NO_SOURCE"
  | "E_OPTION"
  | "E_PERMISSION"
  | "E_PLATFORM"
  | "E_PORT_IN_USE"
  | "E_RESOLVE"
  | "E_WORKER"
  | "E_SOURCE"
  | "E_SYSTEM";

export interface AppErrorDetails {
  /** One sentence that says what to do about it. */
  fix?: string;
  /** The original error, kept whole. */
  cause?: unknown;
  /** The numbers behind the sentence. */
  facts?: Record<string, string | number | boolean>;
}

/** Of a message: an argument of any length may be part of it. */
const LONGEST = 800;

/**
 * An error made for a person to read: every throw of ours is one of these. Its sentences are fit for a terminal: one line each,
 * whatever the file name, argument or process name that they quote holds.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly fix: string | undefined;
  readonly facts: Record<string, string | number | boolean>;

  constructor(code: ErrorCode, message: string, details: AppErrorDetails = {}) {
    super(inOneLine(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "AppError";
    this.code = code;
    this.fix = details.fix === undefined ? undefined : inOneLine(details.fix);
    this.facts = details.facts ?? {};
  }
}

/** What another program said on standard error has lines. */
function inOneLine(text: string): string {
  return shortened(printable(text.trim().replace(/\s*[\r\n]\s*/g, "; ")), LONGEST);
}
