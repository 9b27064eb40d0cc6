// How large a ring is. RLIMIT_MEMLOCK (8 MiB a user by default) has to do for all rings of both ends: each is small.

/** Entries between two enters at most. */
export const ENTRIES = 512;
/** Completions that wait to be seen. */
export const COMPLETIONS = 1024;
/** Buffers for what is received. */
export const BUFFERS = 512;
/** Files at most: more would need one mapping larger than what a descriptor limit of millions is worth. */
export const LARGEST_RING = 65_536;

const PAGE_BYTES = 4096;
const SQE_BYTES = 64;
const CQE_BYTES = 16;
const SQ_INDEX_BYTES = 4;
const BUF_BYTES = 16;

const inPages = (bytes: number) => Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;

/** What one ring takes of RLIMIT_MEMLOCK: its two queues, its entries, and the list of its buffers, each in whole pages. */
export const RING_LOCKED_BYTES =
  inPages(PAGE_BYTES / 4 + COMPLETIONS * CQE_BYTES + ENTRIES * SQ_INDEX_BYTES) +
  inPages(ENTRIES * SQE_BYTES) +
  inPages(BUFFERS * BUF_BYTES);
