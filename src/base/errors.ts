// The one error that crosses rooms: a code to branch on, a sentence to read, a fix to try, numbers to check.
// Printing it and choosing an exit code are left to the command line.

/** What went wrong, as a stable code. Add a code here before throwing it. */
export type ErrorCode =
  | "E_ADDRESS"
  | "E_AUTHORIZED"
  | "E_CONNECT"
  | "E_LISTEN"
  | "E_NO_SOURCE"
  | "E_OPTION"
  | "E_PERMISSION"
  | "E_PLATFORM"
  | "E_PORT_IN_USE"
  | "E_RESOLVE"
  | "E_SHARD"
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

/** An error made for a person to read: every throw of ours is one of these. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly fix: string | undefined;
  readonly facts: Record<string, string | number | boolean>;

  constructor(code: ErrorCode, message: string, details: AppErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "AppError";
    this.code = code;
    this.fix = details.fix;
    this.facts = details.facts ?? {};
  }
}
