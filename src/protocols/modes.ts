// What the two sides of plain TCP can be told to do, by name.

/** `hello`: say a greeting and throw away what comes; `echo`: send every byte back; `discard`: only read. */
export const SERVER_MODES = ["hello", "echo", "discard"] as const;
export type ServerMode = (typeof SERVER_MODES)[number];

/** What answers a client's message. `echo`: the same bytes; `any`: whatever comes; `none`: no answer is waited for. */
export const EXPECTATIONS = ["echo", "any", "none"] as const;
export type Expectation = (typeof EXPECTATIONS)[number];
