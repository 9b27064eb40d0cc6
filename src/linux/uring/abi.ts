// The io_uring ABI (include/uapi/linux/io_uring.h), identical on x64 and arm64: system calls, operations and flags with
// the kernel version that introduced them, and the layout of shared memory in 32-bit words.

/** System call numbers. */
export const SYS_IO_URING = { setup: 425, enter: 426, register: 427 } as const;

/** IORING_OP_…: the operation of an entry. */
export const OP = {
  nop: 0, // 5.1
  pollAdd: 6, // 5.1
  accept: 13, // 5.5; into registered files 5.15, multishot 5.19
  asyncCancel: 14, // 5.5
  connect: 16, // 5.5
  close: 19, // 5.6; registered files 5.15
  write: 23, // 5.6
  send: 26, // 5.6
  recv: 27, // 5.6; multishot 6.0
  socket: 45, // 5.19
  uringCmd: 46, // 5.19; setsockopt 6.7
  readMultishot: 49, // 6.7
  fixedFdInstall: 54, // 6.8: creates a descriptor for a registered file
  bind: 56, // 6.11
} as const;

/** IOSQE_…: flags of an entry, in the second byte of its first word. */
export const SQE_FLAG = {
  fixedFile: 1, // 5.1: `fd` is an index into the registered files
  link: 4, // 5.3: the next entry starts when this one has succeeded, and is cancelled if it fails
  bufferSelect: 32, // 5.7
  skipSuccess: 64, // 5.17: no completion on success
} as const;

/** IORING_SETUP_… flags of io_uring_setup(). */
export const SETUP = {
  cqSize: 1 << 3, // 5.5
  submitAll: 1 << 7, // 5.18: a failed entry does not stop submission of the rest
  coopTaskrun: 1 << 8, // 5.19
  taskrunFlag: 1 << 9, // 5.19: reports SQ_TASKRUN
  singleIssuer: 1 << 12, // 6.0
  deferTaskrun: 1 << 13, // 6.1: completions are only posted in the thread's own enter()
} as const;

/** IORING_FEAT_… flags returned by io_uring_setup(). */
export const FEATURE = {
  singleMmap: 1 << 0, // 5.4
  noDrop: 1 << 1, // 5.5: completions that do not fit into the queue wait in the kernel
  extArg: 1 << 8, // 5.11: enter() accepts a timeout
  cqeSkip: 1 << 11, // 5.17
} as const;

/** IORING_ENTER_…. */
export const ENTER = { getEvents: 1, extArg: 8 } as const;

/** IORING_REGISTER_… operations of io_uring_register(). */
export const REGISTER = {
  files: 2, // 5.1
  eventfd: 4, // 5.2
  unregisterEventfd: 5, // 5.2
  filesUpdate: 6, // 5.5
  probe: 8, // 5.6
  files2: 13, // 5.13; sparse 5.19
  pbufRing: 22, // 5.19
  unregisterPbufRing: 23, // 5.19
} as const;

/** IORING_RSRC_REGISTER_SPARSE: reserves space for files without passing an array of -1. */
export const RSRC_SPARSE = 1;
/** IO_URING_OP_SUPPORTED, in the result of a probe. */
export const OP_SUPPORTED = 1;
/** IORING_FILE_INDEX_ALLOC as a signed word: the kernel chooses the index of the registered file. */
export const FILE_INDEX_ALLOC = -1;
/** IORING_OFF_SQES: mmap() offset of the entries. */
export const OFFSET_SQES = 0x10000000;
/** IORING_SQ_CQ_OVERFLOW: completions are waiting in the kernel for room in the queue. */
export const SQ_CQ_OVERFLOW = 2;
/** IORING_SQ_TASKRUN: work is pending for another enter(). */
export const SQ_TASKRUN = 4;
/** SOCKET_URING_OP_SETSOCKOPT, a command of OP.uringCmd; since Linux 6.7. */
export const CMD_SETSOCKOPT = 3;

/** IORING_RECVSEND_… and IORING_RECV_…: bits in `ioprio` of OP.recv. */
export const RECV = { pollFirst: 1, multishot: 2 } as const;
/** IORING_ACCEPT_MULTISHOT: a bit in `ioprio` of OP.accept. */
export const ACCEPT_MULTISHOT = 1;

/** IORING_CQE_F_…: flags of a completion. */
export const CQE_FLAG = {
  buffer: 1, // the upper 16 bits contain the ID of the provided buffer
  more: 2, // a multishot request continues
} as const;

/**
 * Returns the ID of a completion's provided buffer.
 * @param flags the completion's flags
 */
export function bufferOf(flags: number): number {
  return flags >>> 16;
}

/** Words of struct io_uring_sqe. Words 1 to 15 are unions; the names reflect how this program uses them. */
export const SQE = {
  words: 16,
  /** opcode | IOSQE_… << 8 | ioprio << 16 */
  head: 0,
  fd: 1,
  offset: 2,
  address: 4,
  length: 6,
  flags: 7,
  userData: 8,
  bufferGroup: 10,
  /** Where to install a new file: index + 1, or FILE_INDEX_ALLOC. The same word holds the length of a socket option. */
  fileIndex: 11,
  /** Value of a socket option. */
  address3: 12,
} as const;

/** Words of struct io_uring_cqe. */
export const CQE = { words: 4, userData: 0, result: 2, flags: 3 } as const;

/** Byte offsets in struct io_uring_params, including struct io_sqring_offsets and io_cqring_offsets. */
export const PARAMS = {
  bytes: 120,
  sqEntries: 0,
  cqEntries: 4,
  flags: 8,
  features: 20,
  sqHead: 40,
  sqTail: 44,
  sqFlags: 56,
  sqArray: 64,
  cqHead: 80,
  cqTail: 84,
  cqOverflow: 96,
  cqes: 100,
} as const;

/** struct io_uring_getevents_arg. The signal mask is not used. */
export const GETEVENTS_ARG = { bytes: 24, timespec: 16 } as const;
/** struct io_uring_buf, in bytes. The ring's tail overlays the `reserved` field of the first one. */
export const BUF = { bytes: 16, address: 0, length: 8, id: 12, reserved: 14 } as const;
/** struct io_uring_buf_reg. */
export const BUF_REG = { bytes: 40, address: 0, entries: 8, group: 12 } as const;
/** struct io_uring_rsrc_register. */
export const RSRC_REGISTER = { bytes: 32, count: 0, flags: 4 } as const;
/** struct io_uring_files_update. */
export const FILES_UPDATE = { bytes: 16, offset: 0, descriptors: 8 } as const;
/** struct io_uring_probe, followed by a struct io_uring_probe_op for each operation. */
export const PROBE = { bytes: 16, opsLength: 1, opBytes: 8, opFlags: 2 } as const;
