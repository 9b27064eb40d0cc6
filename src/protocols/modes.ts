// The modes of the two sides of plain TCP.

/** `hello` sends a greeting and discards input, `echo` sends every byte back, `discard` only reads. */
export const SERVER_MODES = ["hello", "echo", "discard"] as const;
export type ServerMode = (typeof SERVER_MODES)[number];

/** What counts as an answer to a client's message: the same bytes (`echo`), any bytes (`any`) or nothing (`none`). */
export const EXPECTATIONS = ["echo", "any", "none"] as const;

/**
 * Where an answer ends, if its content does not matter. `until`: after a delimiter; `bytes`: after a number of bytes.
 */
const FRAMED_EXPECTATIONS = ["until", "bytes"] as const;

/**
 * What counts as an answer in MQTT: PUBACK or PUBCOMP, or delivery of the message to the connection that published it.
 */
const BROKER_EXPECTATIONS = ["acknowledgement", "delivery"] as const;

/** The script decides what counts as an answer. */
const SCRIPT_EXPECTATIONS = ["handler"] as const;

export type Expectation =
  | (typeof EXPECTATIONS)[number]
  | (typeof FRAMED_EXPECTATIONS)[number]
  | (typeof BROKER_EXPECTATIONS)[number]
  | (typeof SCRIPT_EXPECTATIONS)[number];
