import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DiagSocket } from "../../src/sys/diag-socket.js";
import { DiagDump } from "../../src/sys/sock-diag.js";

// Linux 6.18: a server on [::]:7777 with a client from 127.0.0.9:40001, netlink headers included.
const CLIENT =
  "a40000001400020000000000b5090000020100009c411e617f0000090000000000000000000000007f00000100000000000000000000000000000000e78b89010000000000000000000000000000000000000000e22fa102050008000000000008000f00000000000c0015000100000000000000060016005200000028000700000000000000020000000000001e3c000000000000000000000000000000000000000000";
const MAPPED =
  "7c0000001400020000000000b50900000a0100001e619c4100000000000000000000ffff7f00000100000000000000000000ffff7f00000900000000e88b890100000000000000000000000000000000000000003884a102050008000000000008000f00000000000c00150001000000000000000600160012000000";
const LISTENER =
  "840000001400020000000000b50900000a0a00001e610000000000000000000000000000000000000000000000000000000000000000000000000000e98b8901000000000000000000000000ff010000000000008b2fa102050008000000000005000b000000000008000f00000000000c00150001000000000000000600160012000000";
const DONE = "140000000300020000000000b509000000000000";

/** Decodes a datagram and copies what the view says of each socket. */
function decode(hex: string) {
  const dump = new DiagDump({ states: 0 });
  dump.close();
  dump.bytes.write(hex, "hex");
  const view = new DiagSocket(dump.bytes);
  const sockets: ReturnType<typeof copy>[] = [];
  const goesOn = dump.decode(hex.length / 2, (offset, end) => sockets.push(copy(view.move(offset, end))));
  return { sockets, goesOn, wasInterrupted: dump.wasInterrupted, error: dump.error };
}

function copy(socket: DiagSocket) {
  const { family, stateName, localIp, localPort, remoteIp, remotePort, inode, receiveQueue, sendQueue } = socket;
  const { localIpv4, isV6Only, memory, info, chargedBytes } = socket;
  const ends = `${localIp} ${localPort} ${remoteIp} ${remotePort}`;
  return { family, stateName, ends, inode, receiveQueue, sendQueue, localIpv4, isV6Only, memory, info, chargedBytes };
}

describe("messages captured from a kernel", () => {
  it("are read, several in one datagram", () => {
    const { sockets, goesOn } = decode(CLIENT + MAPPED + LISTENER);
    expect(goesOn).toBe(true);
    expect(sockets).toMatchObject([
      { family: 4, stateName: "ESTABLISHED", ends: "127.0.0.9 40001 127.0.0.1 7777", inode: 0x02a12fe2 },
      { family: 6, stateName: "ESTABLISHED", ends: "127.0.0.1 7777 127.0.0.9 40001", localIpv4: 0x7f000001 },
      { family: 6, stateName: "LISTEN", ends: ":: 7777 :: 0", receiveQueue: 0, sendQueue: 511, isV6Only: false },
    ]);
  });

  it("have the kernel's memory when it was asked for", () => {
    const [client, mapped] = decode(CLIENT + MAPPED).sockets;
    expect(client!.memory).toMatchObject({
      receiveAllocBytes: 0,
      receiveBufferBytes: 131_072,
      sendBufferBytes: 3_939_840,
    });
    expect(client!.chargedBytes).toBe(0);
    expect(mapped!.memory).toBeUndefined();
  });

  it("end with the last, and say when the table changed meanwhile", () => {
    expect(decode(CLIENT + DONE)).toMatchObject({ goesOn: false, error: 0, wasInterrupted: false });
    // NLM_F_DUMP_INTR is bit 4 of the flags.
    expect(decode(`${CLIENT.slice(0, 12)}12${CLIENT.slice(14)}${DONE}`).wasInterrupted).toBe(true);
  });

  it("may be an error", () => {
    const refused = "240000000200000000000000b5090000eaffffff4800000014000103000000000000000000000000";
    expect(decode(refused)).toMatchObject({ goesOn: false, error: -22, sockets: [] });
    // The end of a dump tells what cut it short.
    expect(decode(`140000000300020000000000b5090000f4ffffff`).error).toBe(-12);
  });

  it("never hang the reader, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), (bytes) => {
        expect(decode(Buffer.from(bytes).toString("hex")).sockets.length).toBeLessThan(26);
      }),
    );
  });
});

it("reads back what was written in every field", () => {
  const word = fc.integer({ min: 0, max: 0xffffffff });
  const fields = fc.record({
    isV6: fc.boolean(),
    state: fc.integer({ min: 1, max: 11 }),
    localPort: fc.integer({ min: 0, max: 65_535 }),
    remotePort: fc.integer({ min: 0, max: 65_535 }),
    ip: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    words: fc.tuple(word, word, word, word),
  });
  fc.assert(
    fc.property(fields, ({ isV6, state, localPort, remotePort, ip, words }) => {
      const bytes = Buffer.alloc(72);
      bytes[0] = isV6 ? 10 : 2;
      bytes[1] = state;
      bytes.writeUInt16BE(localPort, 4);
      bytes.writeUInt16BE(remotePort, 6);
      bytes.set(ip, 8);
      for (const [i, value] of words.entries()) bytes.writeUInt32LE(value, 56 + 4 * i);
      const socket = new DiagSocket(bytes).move(0, 72);
      expect(socket).toMatchObject({ family: isV6 ? 6 : 4, state, localPort, remotePort });
      expect([socket.receiveQueue, socket.sendQueue, socket.uid, socket.inode]).toEqual(words);
      const { family, bytes: address } = socket.localAddress;
      expect([...address]).toEqual([...ip.subarray(0, family === 4 ? 4 : 16)]);
      expect(socket.localIpv4).toBe(family === 4 ? Buffer.from(address).readUInt32BE(0) : -1);
    }),
  );
});

it("takes a request in the SYN queue for SYN_RECV, by whatever number", () => {
  const bytes = Buffer.alloc(72);
  bytes[1] = 12;
  expect(new DiagSocket(bytes).move(0, 72)).toMatchObject({ state: 3, stateName: "SYN_RECV" });
});

it("reads as much of an older kernel's tcp_info as there is", () => {
  const bytes = Buffer.alloc(72 + 4 + 224);
  const info = (length: number) => {
    bytes.writeUInt16LE(4 + length, 72);
    bytes.writeUInt16LE(2, 74);
    return new DiagSocket(bytes).move(0, 76 + length).info;
  };
  bytes.writeUInt32LE(1234, 76 + 68);
  bytes.writeBigUInt64LE(2n ** 40n, 76 + 120);
  bytes.writeBigUInt64LE(7n, 76 + 208);
  expect(info(224)).toMatchObject({ rttMicros: 1234, ackedBytes: 2 ** 40, retransmittedBytes: 7 });
  expect(info(192)).toMatchObject({ rttMicros: 1234, ackedBytes: 2 ** 40, retransmittedBytes: undefined });
  expect(info(104)).toMatchObject({ rttMicros: 1234, ackedBytes: undefined, receivedBytes: undefined });
  expect(info(100)).toBeUndefined();
});
