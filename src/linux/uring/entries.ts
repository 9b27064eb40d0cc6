// Pushes submission queue entries, like liburing's io_uring_prep_… functions. Each function pushes one entry, for which
// there must be room. `how` contains SQE_FLAG bits, for example to link entries. Sockets are registered files,
// identified by index.
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC, SOCK_STREAM } from "../syscalls/constants.js";
import { NativeBuffer } from "../syscalls/libc.js";
import { SOCKADDR_SIZE } from "../syscalls/sockaddr.js";
import { ACCEPT_MULTISHOT, CMD_SETSOCKOPT, FILE_INDEX_ALLOC, OP, SQE, SQE_FLAG } from "./abi.js";
import { writeAddress } from "./native-memory.js";
import type { Ring } from "./ring.js";

/** A sockaddr with AF_UNSPEC. Calling connect() with this address dissolves a connection (connect(2)). */
const unspecified = new NativeBuffer(SOCKADDR_SIZE);
/** Offset for a file that has no position. */
const NO_OFFSET = -1;
const FLAGS_SHIFT = 8;
const PRIORITY_SHIFT = 16;
const IN_FILES = SQE_FLAG.fixedFile << FLAGS_SHIFT;

/**
 * socket(): creates a TCP socket at `file`. The socket is blocking, like every socket in a ring: a non-blocking one
 * would return EAGAIN.
 */
export function pushSocket(ring: Ring, file: number, family: number, how: number, slot: number, tag: number): void {
  const at = ring.push(OP.socket | (how << FLAGS_SHIFT), family, SOCK_STREAM, 0, 0, 0, slot, tag);
  ring.words[at + SQE.fileIndex] = file + 1;
}

/**
 * bind() to the address in the entry's element of `sockaddrs`.
 * @param bytes size of the sockaddr
 */
export function pushBind(ring: Ring, file: number, bytes: number, how: number, slot: number, tag: number): void {
  const address = ring.sockaddrAddress(ring.sockaddrWord);
  ring.push(OP.bind | IN_FILES | (how << FLAGS_SHIFT), file, bytes, address, 0, 0, slot, tag);
}

/**
 * connect() to the address in the entry's element of `sockaddrs`. The request completes when the handshake has ended.
 */
export function pushConnect(ring: Ring, file: number, bytes: number, how: number, slot: number, tag: number): void {
  const address = ring.sockaddrAddress(ring.sockaddrWord);
  ring.push(OP.connect | IN_FILES | (how << FLAGS_SHIFT), file, bytes, address, 0, 0, slot, tag);
}

/**
 * accept() on descriptor `listener` into a free file, whose index is the result; repeatedly if `isMultishot` is true.
 */
export function pushAccept(ring: Ring, listener: number, isMultishot: boolean, slot: number, tag: number): void {
  const priority = isMultishot ? ACCEPT_MULTISHOT : 0;
  const at = ring.push(OP.accept | (priority << PRIORITY_SHIFT), listener, 0, 0, 0, 0, slot, tag);
  ring.words[at + SQE.fileIndex] = FILE_INDEX_ALLOC;
}

/**
 * Accepts a single connection like pushAccept(), and also returns the peer's address.
 *
 * @param address where the kernel writes the address
 * @param lengthAddress where the kernel reads the available length and writes the actual one
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

/** Discards `length` received bytes without copying them to `address`. Completes immediately. */
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

/** Copies a sockaddr to the element of `sockaddrs` used by pushBind() and pushConnect(). */
export function writeSockaddr(ring: Ring, words: Int32Array): void {
  const at = ring.sockaddrWord;
  for (let i = 0; i < words.length; i++) ring.sockaddrs[at + i] = words[i]!;
}

/**
 * recv() of up to `length` bytes to `address`.
 * @param flags MSG_…
 */
export function pushReceiveAt(
  ring: Ring,
  file: number,
  address: number,
  length: number,
  flags: number,
  slot: number,
  tag: number,
): void {
  ring.push(OP.recv | IN_FILES, file, 0, address, length, flags, slot, tag);
}

/**
 * recv() into one of the ring's provided buffers.
 * @param priority RECV bits
 * @param flags MSG_…
 */
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

/**
 * send() of `length` bytes at `address`, which must not change before completion.
 * @param flags MSG_… besides MSG_NOSIGNAL
 */
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

/** Polls once for `events` (POLL… in poll.h, equal to EPOLL…). The result is the events that occurred. */
export function pushPoll(ring: Ring, file: number, events: number, how: number, slot: number, tag: number): void {
  ring.push(OP.pollAdd | IN_FILES | (how << FLAGS_SHIFT), file, 0, 0, 0, events, slot, tag);
}

/** Like pushPoll(), but for a descriptor in the thread's table. */
export function pushPollDescriptor(ring: Ring, fd: number, events: number, slot: number, tag: number): void {
  ring.push(OP.pollAdd, fd, 0, 0, 0, events, slot, tag);
}

/**
 * Resets the connection of `file`, which completes all its pending requests. Cancelling the requests would be slower,
 * because the kernel must search all requests of the ring.
 */
export function pushDisconnect(ring: Ring, file: number, how: number, slot: number, tag: number): void {
  ring.push(OP.connect | IN_FILES | (how << FLAGS_SHIFT), file, SOCKADDR_SIZE, unspecified.address, 0, 0, slot, tag);
}

/** setsockopt() on `file`, with `bytes` bytes at `address`. Fails before Linux 6.7 (-EOPNOTSUPP). */
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

/** Creates a descriptor in the thread's table for `file`. The result is the descriptor. */
export function pushInstall(ring: Ring, file: number, slot: number, tag: number): void {
  ring.push(OP.fixedFdInstall | IN_FILES, file, 0, 0, 0, 0, slot, tag);
}

/** Closes `file`. Requests pending on the file keep the connection open, so cancel them first. */
export function pushClose(ring: Ring, file: number, how: number, slot: number, tag: number): void {
  const at = ring.push(OP.close | (how << FLAGS_SHIFT), 0, 0, 0, 0, 0, slot, tag);
  ring.words[at + SQE.fileIndex] = file + 1;
}

/**
 * Cancels the request with this user data, which completes with -ECANCELED. The cancelling request completes with
 * -ENOENT if no such request is found.
 */
export function pushCancel(ring: Ring, ofSlot: number, ofTag: number, how: number, slot: number, tag: number): void {
  const at = ring.push(OP.asyncCancel | (how << FLAGS_SHIFT), -1, 0, 0, 0, 0, slot, tag);
  ring.words[at + SQE.address] = ofSlot;
  ring.words[at + SQE.address + 1] = ofTag;
}

/** Reads packets from TUN device `file`, each into a provided buffer, until no buffer is left. */
export function pushDeviceRead(ring: Ring, file: number, group: number, slot: number, tag: number): void {
  const how = (SQE_FLAG.fixedFile | SQE_FLAG.bufferSelect) << FLAGS_SHIFT;
  const at = ring.push(OP.readMultishot | how, file, NO_OFFSET, 0, 0, 0, slot, tag);
  ring.words[at + SQE.offset + 1] = NO_OFFSET;
  ring.words[at + SQE.bufferGroup] = group;
}

/** Writes a packet to TUN device `file`. Only a failure completes. */
export function pushDeviceWrite(
  ring: Ring,
  file: number,
  address: number,
  length: number,
  slot: number,
  tag: number,
): void {
  const how = (SQE_FLAG.fixedFile | SQE_FLAG.skipSuccess) << FLAGS_SHIFT;
  const at = ring.push(OP.write | how, file, NO_OFFSET, address, length, 0, slot, tag);
  ring.words[at + SQE.offset + 1] = NO_OFFSET;
}
