// The error type used across modules: a code to branch on, a message to read, a suggested fix, and the numbers behind
// it. The command line prints errors and chooses exit codes.
import { printable, shortened } from "./printable.js";

/** The stable error codes. Add a code here before throwing it. */
export type ErrorCode =
  | "E_ADDRESS"
  | "E_NOT_AUTHORIZED"
  | "E_CONNECT"
  | "E_FLEET"
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
  /** One sentence that says how to fix the problem. */
  fix?: string;
  /** The original error. */
  cause?: unknown;
  /** The numbers mentioned in the message. */
  facts?: Record<string, string | number | boolean>;
}

/** Maximum length of a message, which may quote arguments of any length. */
const LONGEST = 800;

/**
 * An error with a message for users. All errors that fourtuple throws on purpose are of this class. Messages are safe
 * to print: a single line of printable characters, whatever file name, argument or process name they quote.
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

/** Messages may quote another program's standard error, which can have several lines. */
function inOneLine(text: string): string {
  return shortened(printable(text.trim().replace(/\s*[\r\n]\s*/g, "; ")), LONGEST);
}
