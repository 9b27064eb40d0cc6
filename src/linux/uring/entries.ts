// Entries by what they ask for, as liburing's io_uring_prep_…: each pushes one entry, for which there must be room, and leaves the
// linking to its caller by `how`: SQE_FLAG bits. Sockets are registered files, named by their index.
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC, SO_LINGER, SOCK_STREAM, SOL_SOCKET } from "../syscalls/constants.js";
import { NativeBuffer } from "../syscalls/libc.js";
import { SOCKADDR_SIZE } from "../syscalls/sockaddr.js";
import { lingerZero } from "../syscalls/socket.js";
import { ACCEPT_MULTISHOT, CANCEL, CMD_SETSOCKOPT, FILE_INDEX_ALLOC, OP, SQE, SQE_FLAG } from "./abi.js";
import { writeAddress } from "./native-memory.js";
import type { Ring } from "./ring.js";

const LINGER_BYTES = 8;
/** A sockaddr of AF_UNSPEC: connect() to it ends a connection (man 2 connect). */
const unspecified = new NativeBuffer(SOCKADDR_SIZE);
const FLAGS_SHIFT = 8;
const PRIORITY_SHIFT = 16;
const IN_FILES = SQE_FLAG.fixedFile << FLAGS_SHIFT;

/** socket(): a TCP socket at `file`. It blocks, as all sockets in a ring do: one that does not would answer EAGAIN. */
export function pushSocket(ring: Ring, file: number, family: number, how: number, slot: number, tag: number): void {
  const at = ring.push(OP.socket | (how << FLAGS_SHIFT), family, SOCK_STREAM, 0, 0, 0, slot, tag);
  ring.words[at + SQE.fileIndex] = file + 1;
}

/** bind() to the address in the entry's place of `sockaddrs`. @param bytes of the sockaddr */
export function pushBind(ring: Ring, file: number, bytes: number, how: number, slot: number, tag: number): void {
  const address = ring.sockaddrAddress(ring.sockaddrWord);
  ring.push(OP.bind | IN_FILES | (how << FLAGS_SHIFT), file, bytes, address, 0, 0, slot, tag);
}

/** connect() to the address in the entry's place of `sockaddrs`; completes when the handshake has ended. */
export function pushConnect(ring: Ring, file: number, bytes: number, how: number, slot: number, tag: number): void {
  const address = ring.sockaddrAddress(ring.sockaddrWord);
  ring.push(OP.connect | IN_FILES | (how << FLAGS_SHIFT), file, bytes, address, 0, 0, slot, tag);
}

/** accept() on descriptor `listener`, into a free place that is the completion's result; with `isMultishot` again and again. */
export function pushAccept(ring: Ring, listener: number, isMultishot: boolean, slot: number, tag: number): void {
  const priority = isMultishot ? ACCEPT_MULTISHOT : 0;
  const at = ring.push(OP.accept | (priority << PRIORITY_SHIFT), listener, 0, 0, 0, 0, slot, tag);
  ring.words[at + SQE.fileIndex] = FILE_INDEX_ALLOC;
}

/**
 * As pushAccept(), once, with the peer's address.
 *
 * @param address where it goes
 * @param lengthAddress where the kernel reads how much room there is, and writes how much it has used
 */
export function pushAcceptWithPeer(
  ring: Ring,
  listener: number,
  address: number,
  lengthAddress: number,
  slot: number,
  tag: number,
): void {
  const at = ring.push(OP.accept, listener, 0, address, 0, 0, slot, tag);
  writeAddress(ring.words, at + SQE.offset, lengthAddress);
  ring.words[at + SQE.fileIndex] = FILE_INDEX_ALLOC;
}

/** Takes `length` bytes out of what has come, without a copy; `address` is not written to. Answers at once. */
export function pushDiscard(
  ring: Ring,
  file: number,
  address: number,
  length: number,
  slot: number,
  tag: number,
): void {
  const how = (SQE_FLAG.fixedFile | SQE_FLAG.skipSuccess) << FLAGS_SHIFT;
  ring.push(OP.recv | how, file, 0, address, length, MSG_TRUNC | MSG_DONTWAIT, slot, tag);
}

/** Copies a sockaddr to where pushBind() and pushConnect() take it from. */
export function writeSockaddr(ring: Ring, words: Int32Array): void {
  const at = ring.sockaddrWord;
  for (let i = 0; i < words.length; i++) ring.sockaddrs[at + i] = words[i]!;
}

/** recv() into one of the ring's provided buffers. @param priority RECV bits @param flags MSG_… */
export function pushReceive(
  ring: Ring,
  file: number,
  priority: number,
  group: number,
  flags: number,
  slot: number,
  tag: number,
): void {
  const how = (SQE_FLAG.fixedFile | SQE_FLAG.bufferSelect) << FLAGS_SHIFT;
  const at = ring.push(OP.recv | how | (priority << PRIORITY_SHIFT), file, 0, 0, 0, flags, slot, tag);
  ring.words[at + SQE.bufferGroup] = group;
}

/** send() of `length` bytes at `address`, which must stay as they are until it completes. @param flags MSG_… beside MSG_NOSIGNAL */
export function pushSend(
  ring: Ring,
  file: number,
  address: number,
  length: number,
  flags: number,
  how: number,
  slot: number,
  tag: number,
): void {
  ring.push(OP.send | IN_FILES | (how << FLAGS_SHIFT), file, 0, address, length, flags | MSG_NOSIGNAL, slot, tag);
}

/** Completes once, with the events that have come of `events` (POLL… of poll.h, as EPOLL…). */
export function pushPoll(ring: Ring, file: number, events: number, how: number, slot: number, tag: number): void {
  ring.push(OP.pollAdd | IN_FILES | (how << FLAGS_SHIFT), file, 0, 0, 0, events, slot, tag);
}

/** As pushPoll(), of a descriptor of the thread. */
export function pushPollDescriptor(ring: Ring, fd: number, events: number, slot: number, tag: number): void {
  ring.push(OP.pollAdd, fd, 0, 0, 0, events, slot, tag);
}

/** Makes the close of `file` send RST (SO_LINGER of zero seconds); kernels before 6.7 cannot (-EOPNOTSUPP). */
export function pushResetOnClose(ring: Ring, file: number, how: number, slot: number, tag: number): void {
  pushSetOption(ring, file, SOL_SOCKET, SO_LINGER, lingerZero.address, LINGER_BYTES, how, slot, tag);
}

/**
 * Ends the connection of `file` by RST, and with it whatever waits there. Costs less than to cancel that: a ring with many requests takes
 * long to find one.
 */
export function pushDisconnect(ring: Ring, file: number, how: number, slot: number, tag: number): void {
  ring.push(OP.connect | IN_FILES | (how << FLAGS_SHIFT), file, SOCKADDR_SIZE, unspecified.address, 0, 0, slot, tag);
}

/** setsockopt() of `file`, with the `bytes` at `address`; kernels before 6.7 cannot (-EOPNOTSUPP). */
export function pushSetOption(
  ring: Ring,
  file: number,
  level: number,
  name: number,
  address: number,
  bytes: number,
  how: number,
  slot: number,
  tag: number,
): void {
  const at = ring.push(OP.uringCmd | IN_FILES | (how << FLAGS_SHIFT), file, CMD_SETSOCKOPT, 0, 0, 0, slot, tag);
  const { words } = ring;
  words[at + SQE.address] = level;
  words[at + SQE.address + 1] = name;
  words[at + SQE.fileIndex] = bytes;
  writeAddress(words, at + SQE.address3, address);
}

/** Makes a descriptor of the thread for `file`, which is the result. */
export function pushInstall(ring: Ring, file: number, slot: number, tag: number): void {
  ring.push(OP.fixedFdInstall | IN_FILES, file, 0, 0, 0, 0, slot, tag);
}

/** Closes `file`. A request that is under way on it keeps the connection: cancel it first. */
export function pushClose(ring: Ring, file: number, how: number, slot: number, tag: number): void {
  const at = ring.push(OP.close | (how << FLAGS_SHIFT), 0, 0, 0, 0, 0, slot, tag);
  ring.words[at + SQE.fileIndex] = file + 1;
}

/** Ends the request whose user data is these two words: it completes with -ECANCELED. This one completes with -ENOENT if there is none. */
export function pushCancel(ring: Ring, ofSlot: number, ofTag: number, how: number, slot: number, tag: number): void {
  const at = ring.push(OP.asyncCancel | (how << FLAGS_SHIFT), -1, 0, 0, 0, 0, slot, tag);
  ring.words[at + SQE.address] = ofSlot;
  ring.words[at + SQE.address + 1] = ofTag;
}

/** Ends all requests on `file`; completes with their number. */
export function pushCancelFile(ring: Ring, file: number, how: number, slot: number, tag: number): void {
  const flags = CANCEL.fd | CANCEL.fdFixed | CANCEL.all;
  ring.push(OP.asyncCancel | (how << FLAGS_SHIFT), file, 0, 0, 0, flags, slot, tag);
}

/** Ends all requests of the ring; completes with their number. */
export function pushCancelAll(ring: Ring, slot: number, tag: number): void {
  ring.push(OP.asyncCancel, -1, 0, 0, 0, CANCEL.all | CANCEL.any, slot, tag);
}
