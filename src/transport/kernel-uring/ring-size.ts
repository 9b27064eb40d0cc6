// Ring sizes. All rings at both ends share one RLIMIT_MEMLOCK (8 MiB per user by default), so rings are small.

/** Maximum number of entries between two enters. */
export const ENTRIES = 512;
/** Size of the completion queue. */
export const COMPLETIONS = 1024;
/** Number of receive buffers. */
export const BUFFERS = 512;
/** Maximum number of files. Without this cap, a descriptor limit in the millions would result in a huge mapping. */
export const LARGEST_RING = 65_536;

const PAGE_BYTES = 4096;
const SQE_BYTES = 64;
const CQE_BYTES = 16;
const SQ_INDEX_BYTES = 4;
const BUF_BYTES = 16;

const inPages = (bytes: number) => Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;

/**
 * Memory that one ring charges to RLIMIT_MEMLOCK: both queues, the entries and the buffer ring, each in whole pages.
 */
export const RING_LOCKED_BYTES =
  inPages(PAGE_BYTES / 4 + COMPLETIONS * CQE_BYTES + ENTRIES * SQ_INDEX_BYTES) +
  inPages(ENTRIES * SQE_BYTES) +
  inPages(BUFFERS * BUF_BYTES);
