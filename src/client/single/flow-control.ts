// Flow control for a single connection: it is read only as fast as the main thread takes the texts, because the reader
// of the output may be slow.

/** Maximum number of texts that a worker may be ahead of the main thread. */
export const TEXTS_AHEAD = 64;
/** The main thread acknowledges texts in batches of this size. */
export const ACKNOWLEDGED_EVERY = 16;
