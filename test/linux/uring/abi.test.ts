// Tests the layout against what a C compiler reports for <linux/io_uring.h> (offsetof and sizeof; the same on x64 and
// arm64).
import { expect, it } from "vitest";
import * as abi from "../../../src/linux/uring/abi.js";

const WORD = 4;

it("has the kernel's layout of entries and completions", () => {
  const { SQE, CQE } = abi;
  const sqe = { ...SQE, words: undefined };
  expect(SQE.words * WORD).toBe(64);
  expect(Object.fromEntries(Object.entries(sqe).map(([name, word]) => [name, word && word * WORD]))).toEqual({
    words: undefined,
    head: 0,
    fd: 4,
    offset: 8,
    address: 16,
    length: 24,
    flags: 28,
    userData: 32,
    bufferGroup: 40,
    fileIndex: 44,
    address3: 48,
  });
  expect([CQE.words, CQE.userData, CQE.result, CQE.flags].map((word) => word * WORD)).toEqual([16, 0, 8, 12]);
});

it("has the structs of setup, enter and register", () => {
  expect(abi.PARAMS).toEqual({
    bytes: 120,
    sqEntries: 0,
    cqEntries: 4,
    flags: 8,
    features: 20,
    sqHead: 40 + 0,
    sqTail: 40 + 4,
    sqFlags: 40 + 16,
    sqArray: 40 + 24,
    cqHead: 80 + 0,
    cqTail: 80 + 4,
    cqOverflow: 80 + 16,
    cqes: 80 + 20,
  });
  expect(abi.GETEVENTS_ARG).toEqual({ bytes: 24, timespec: 16 });
  expect(abi.BUF).toEqual({ bytes: 16, address: 0, length: 8, id: 12, reserved: 14 });
  expect(abi.BUF_REG).toEqual({ bytes: 40, address: 0, entries: 8, group: 12 });
  expect(abi.RSRC_REGISTER).toEqual({ bytes: 32, count: 0, flags: 4 });
  expect(abi.FILES_UPDATE).toEqual({ bytes: 16, offset: 0, descriptors: 8 });
  expect(abi.PROBE).toEqual({ bytes: 16, opsLength: 1, opBytes: 8, opFlags: 2 });
});

it("has the numbers of operations and flags", () => {
  expect(abi.OP).toEqual({
    nop: 0,
    pollAdd: 6,
    accept: 13,
    asyncCancel: 14,
    connect: 16,
    close: 19,
    write: 23,
    send: 26,
    recv: 27,
    socket: 45,
    uringCmd: 46,
    readMultishot: 49,
    fixedFdInstall: 54,
    bind: 56,
  });
  expect(abi.SQE_FLAG).toEqual({ fixedFile: 1, link: 4, bufferSelect: 32, skipSuccess: 64 });
  expect(abi.FEATURE).toEqual({ singleMmap: 1, noDrop: 2, extArg: 256, cqeSkip: 2048 });
  expect(abi.REGISTER).toMatchObject({
    eventfd: 4,
    unregisterEventfd: 5,
    filesUpdate: 6,
    probe: 8,
    files2: 13,
    pbufRing: 22,
  });
  expect(abi.ENTER).toEqual({ getEvents: 1, extArg: 8 });
  expect(abi.RECV).toEqual({ pollFirst: 1, multishot: 2 });
  expect(abi.CQE_FLAG).toEqual({ buffer: 1, more: 2 });
  expect(abi.OFFSET_SQES).toBe(268_435_456);
});
