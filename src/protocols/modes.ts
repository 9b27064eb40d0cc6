// Modes of the two sides of plain TCP.

/** `hello` sends a greeting and discards input, `echo` sends every byte back, `discard` only reads. */
export const SERVER_MODES = ["hello", "echo", "discard"] as const;
export type ServerMode = (typeof SERVER_MODES)[number];

/** What counts as an answer to a client's message: the same bytes (`echo`), any bytes (`any`), or nothing (`none`). */
export const EXPECTATIONS = ["echo", "any", "none"] as const;
export type Expectation = (typeof EXPECTATIONS)[number];
