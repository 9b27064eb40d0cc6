// The layout of struct inet_diag_msg and its attributes (linux/inet_diag.h,
// linux/sock_diag.h).

/** Size of struct inet_diag_msg without attributes. */
export const DIAG_MESSAGE_BYTES = 72;
/** Offsets of its fields. */
export const DIAG_FIELD = {
  family: 0,
  state: 1,
  timer: 2,
  localPort: 4,
  remotePort: 6,
  localIp: 8,
  remoteIp: 24,
  interface: 40,
  cookie: 44,
  expires: 52,
  receiveQueue: 56,
  sendQueue: 60,
  uid: 64,
  inode: 68,
} as const;
/** Attribute types (INET_DIAG_*). */
export const DIAG_ATTRIBUTE = { info: 2, skMemInfo: 7, skV6Only: 11, cgroupId: 21 } as const;

/** Kernel memory of a socket in bytes (SK_MEMINFO_* in linux/sock_diag.h). */
export interface SocketMemory {
  readonly receiveAllocBytes: number;
  readonly receiveBufferBytes: number;
  readonly sendAllocBytes: number;
  readonly sendBufferBytes: number;
  readonly forwardAllocBytes: number;
  readonly sendQueuedBytes: number;
  readonly optionBytes: number;
  readonly backlogBytes: number;
  readonly drops: number;
}
