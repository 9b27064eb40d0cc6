// Errors as answers: an agent that refuses a request, or cannot deliver its part, says why.
import { AppError, type ErrorCode } from "../util/errors.js";
import { z } from "../util/zod.js";

export const refusal = z.object({
  code: z.string().max(32),
  message: z.string().max(2000),
  fix: z.string().max(2000).optional(),
});

/** Puts an error into an answer. */
export function toFailure(error: unknown): { failure: z.infer<typeof refusal> } {
  const { code, message = String(error), fix } = error as Partial<AppError>;
  const known = errorOf(`${code}`, message, fix);
  return { failure: { code: known.code, message: known.message, ...(fix !== undefined && { fix: known.fix }) } };
}

/** Returns the error in an answer; undefined if there is none. */
export function failureIn(answer: unknown): AppError | undefined {
  const parsed = z.object({ failure: refusal }).safeParse(answer);
  if (!parsed.success) return undefined;
  const { code, message, fix } = parsed.data.failure;
  return errorOf(code, message, fix);
}

/** Errors of Node itself have other codes, even numbers, and messages of any length. */
function errorOf(code: string, message: string, fix: string | undefined): AppError {
  return new AppError(/^E_[A-Z_]{1,30}$/.test(code) ? (code as ErrorCode) : "E_FLEET", message, {
    ...(fix !== undefined && { fix }),
  });
}
