// A single connection is read no faster than the main thread takes the texts: whoever prints them may be slow.

/** Texts that a worker is ahead by, at most. */
export const TEXTS_AHEAD = 64;
/** After so many texts the main thread tells the worker how many it has taken. */
export const ACKNOWLEDGED_EVERY = 16;
