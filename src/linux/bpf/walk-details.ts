// The part of the BPF program that adds to a row what only full sockets have: owner, queues, memory and cgroup,
// as sock_diag does (net/ipv4/inet_diag.c, tcp_diag.c).
import { DIAG_ATTRIBUTE, DIAG_FIELD, DIAG_MESSAGE_BYTES } from "../netlink/diag-message.js";
import { TCP_TIME_WAIT } from "../syscalls/constants.js";
import type { Assembler } from "./assembler.js";
import type { CgroupLayout, DetailLayout } from "./kernel-layout.js";

/** SK_MEMINFO_VARS, with the attribute's header. */
const MEMORY_WORDS = 9;
const MEMORY_BYTES = 4 + 4 * MEMORY_WORDS;
const CGROUP_AT = DIAG_MESSAGE_BYTES + MEMORY_BYTES;
const CGROUP_BYTES = 4 + 8;
/** Size of a row with details: a multiple of 8, because rows contain words of 64 bits. */
export const DETAILED_BYTES = (CGROUP_AT + CGROUP_BYTES + 7) & ~7;
const NEW_SYN_RECV = 12;
/** The kernel's count of bytes sent starts at 1 (sk_wmem_alloc_get()). */
const SEND_ALLOC_BIAS = 1;

/**
 * Completes the row in R9 for the socket in R8, and continues behind.
 *
 * @param cgroup undefined if sockets have no cgroups
 * @param state offset of the socket's state
 * @param cast turns the address in R1 into a pointer of the given type in R0
 */
export function assembleDetails(
  a: Assembler,
  { offsets, types }: DetailLayout,
  cgroup: CgroupLayout | undefined,
  state: number,
  cast: (type: number) => Assembler,
): void {
  const { receiveQueue, sendQueue, uid, inode } = DIAG_FIELD;
  for (const field of [receiveQueue, sendQueue, uid, inode]) a.storeValue(4, 9, field, 0);
  for (let at = DIAG_MESSAGE_BYTES; at < DETAILED_BYTES; at += 4) a.storeValue(4, 9, at, 0);
  a.load(1, 1, 8, state).jumpIf("eq", 1, TCP_TIME_WAIT, "detailed").jumpIf("eq", 1, NEW_SYN_RECV, "detailed");

  a.aluBy("mov", 1, 8);
  cast(types.sock);
  a.load(4, 1, 0, offsets.uid).store(4, 9, uid, 1);
  a.storeValue(4, 9, DIAG_MESSAGE_BYTES, MEMORY_BYTES | (DIAG_ATTRIBUTE.skMemInfo << 16));
  const memory = [
    offsets.receiveAlloc,
    offsets.receiveBuffer,
    offsets.sendAlloc,
    offsets.sendBuffer,
    offsets.forwardAlloc,
    offsets.sendQueued,
    offsets.options,
    offsets.backlog,
    offsets.drops,
  ];
  for (const [i, from] of memory.entries()) {
    a.load(4, 1, 0, from);
    if (from === offsets.sendAlloc) a.alu("add", 1, -SEND_ALLOC_BIAS);
    a.store(4, 9, DIAG_MESSAGE_BYTES + 4 + 4 * i, 1);
  }
  // The inode is that of the file, which an orphan does not have.
  a.load(8, 1, 0, offsets.file).jumpIf("eq", 1, 0, "no file").alu("add", 1, -offsets.fileSocket);
  cast(types.file).load(8, 1, 0, offsets.fileInode).store(4, 9, inode, 1).label("no file");

  if (cgroup) assembleCgroup(a, cgroup, types.sock, cast);

  a.aluBy("mov", 1, 8);
  cast(types.tcp);
  a.load(4, 1, 0, offsets.received)
    .load(4, 2, 0, offsets.copied)
    .aluBy("sub", 1, 2)
    .alu("lsh", 1, 32)
    .alu("rsh", 1, 32);
  // Negative while the process reads ahead.
  a.jumpIf("gt", 1, 0x7fffffff, "unread").store(4, 9, receiveQueue, 1).label("unread");
  a.load(4, 1, 0, offsets.written).load(4, 2, 0, offsets.acknowledged).aluBy("sub", 1, 2).store(4, 9, sendQueue, 1);
  a.label("detailed");
}

/** Adds the ID of the socket's cgroup (cgroup_id()). */
function assembleCgroup(
  a: Assembler,
  { offsets, types }: CgroupLayout,
  sock: number,
  cast: (type: number) => Assembler,
): void {
  a.aluBy("mov", 1, 8);
  cast(sock).load(8, 1, 0, offsets.cgroup);
  cast(types.cgroup).load(8, 1, 0, offsets.directory);
  cast(types.directory).load(8, 1, 0, offsets.id);
  a.storeValue(4, 9, CGROUP_AT, CGROUP_BYTES | (DIAG_ATTRIBUTE.cgroupId << 16))
    .store(4, 9, CGROUP_AT + 4, 1)
    .alu("rsh", 1, 32)
    .store(4, 9, CGROUP_AT + 8, 1);
}
