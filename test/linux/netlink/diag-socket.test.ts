import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DIAG_FIELD } from "../../../src/linux/netlink/diag-message.js";
import { DiagSocket } from "../../../src/linux/netlink/diag-socket.js";
import { DiagDump } from "../../../src/linux/netlink/sock-diag.js";
import { formatIp, parseIp } from "../../../src/util/address.js";

// Captured on Linux 6.18: a server on [::]:7777 with a client from 127.0.0.9:40001, netlink headers included.
const CLIENT =
  "a40000001400020000000000b5090000020100009c411e617f0000090000000000000000000000007f00000100000000000000000000000000000000e78b89010000000000000000000000000000000000000000e22fa102050008000000000008000f00000000000c0015000100000000000000060016005200000028000700000000000000020000000000001e3c000000000000000000000000000000000000000000";
const MAPPED =
  "7c0000001400020000000000b50900000a0100001e619c4100000000000000000000ffff7f00000100000000000000000000ffff7f00000900000000e88b890100000000000000000000000000000000000000003884a102050008000000000008000f00000000000c00150001000000000000000600160012000000";
const LISTENER =
  "840000001400020000000000b50900000a0a00001e610000000000000000000000000000000000000000000000000000000000000000000000000000e98b8901000000000000000000000000ff010000000000008b2fa102050008000000000005000b000000000008000f00000000000c00150001000000000000000600160012000000";
const DONE = "140000000300020000000000b509000000000000";

/** Decodes a datagram and copies the view's fields for each socket. */
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
  it("are decoded, several in one datagram", () => {
    const { sockets, goesOn } = decode(CLIENT + MAPPED + LISTENER);
    expect(goesOn).toBe(true);
    expect(sockets).toMatchObject([
      { family: 4, stateName: "ESTABLISHED", ends: "127.0.0.9 40001 127.0.0.1 7777", inode: 0x02a12fe2 },
      { family: 6, stateName: "ESTABLISHED", ends: "127.0.0.1 7777 127.0.0.9 40001", localIpv4: 0x7f000001 },
      { family: 6, stateName: "LISTEN", ends: ":: 7777 :: 0", receiveQueue: 0, sendQueue: 511, isV6Only: false },
    ]);
  });

  it("include memory figures on request", () => {
    const [client, mapped] = decode(CLIENT + MAPPED).sockets;
    expect(client!.memory).toMatchObject({
      receiveAllocBytes: 0,
      receiveBufferBytes: 131_072,
      sendBufferBytes: 3_939_840,
    });
    expect(client!.chargedBytes).toBe(0);
    expect(mapped!.memory).toBeUndefined();
  });

  it("end with the last one, and report a table that changed meanwhile", () => {
    expect(decode(CLIENT + DONE)).toMatchObject({ goesOn: false, error: 0, wasInterrupted: false });
    // NLM_F_DUMP_INTR is bit 4 of the flags.
    expect(decode(`${CLIENT.slice(0, 12)}12${CLIENT.slice(14)}${DONE}`).wasInterrupted).toBe(true);
  });

  it("may contain an error", () => {
    const refused = "240000000200000000000000b5090000eaffffff4800000014000103000000000000000000000000";
    expect(decode(refused)).toMatchObject({ goesOn: false, error: -22, sockets: [] });
    // NLMSG_DONE carries the error that cut the dump short.
    expect(decode(`140000000300020000000000b5090000f4ffffff`).error).toBe(-12);
  });

  it("never hang the reader, whatever their bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), (bytes) => {
        expect(decode(Buffer.from(bytes).toString("hex")).sockets.length).toBeLessThan(26);
      }),
    );
  });
});

it("decodes what was encoded in every field", () => {
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

it("reports a request in the SYN queue as SYN_RECV, whatever its number", () => {
  const bytes = Buffer.alloc(72);
  bytes[1] = 12;
  expect(new DiagSocket(bytes).move(0, 72)).toMatchObject({ state: 3, stateName: "SYN_RECV" });
});

it("names the states by the kernel's numbers (include/net/tcp_states.h)", () => {
  const bytes = Buffer.alloc(72);
  const names = Array.from({ length: 12 }, (_, n) => {
    bytes[1] = n + 1;
    return new DiagSocket(bytes).move(0, 72).stateName;
  });
  expect(names.join(" ")).toBe(
    "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING SYN_RECV",
  );
});

it("reads as many fields of an older kernel's tcp_info as it has", () => {
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
  // An attribute ends at its declared length, and at the latest at the end of its message.
  const of = (length: number, end: number) => {
    bytes.writeUInt16LE(4 + length, 72);
    return new DiagSocket(bytes).move(0, end).info;
  };
  expect(of(100, 300)).toBeUndefined();
  expect(of(224, 76 + 104)).toMatchObject({ rttMicros: 1234, ackedBytes: undefined });
  expect(of(224, 76 + 100)).toBeUndefined();
});

/**
 * Returns an IPv6 message at offset 16 of a datagram, with these addresses as bytes and attributes as [type, payload].
 */
function messageOf(
  {
    local = "::",
    remote = "::",
    index = 0,
    cookie = 0,
  }: { local?: string; remote?: string; index?: number; cookie?: number },
  attributes: readonly (readonly [type: number, payload: Uint8Array])[] = [],
): DiagSocket {
  const bytes = Buffer.alloc(400);
  bytes[16] = 10;
  for (const [at, ip] of [
    [DIAG_FIELD.localIp, local],
    [DIAG_FIELD.remoteIp, remote],
  ] as const) {
    const { family, bytes: address } = parseIp(ip);
    if (family === 4) bytes.writeUInt16BE(0xffff, 16 + at + 10);
    bytes.set(address, 16 + at + (family === 4 ? 12 : 0));
  }
  bytes.writeUInt32LE(index, 16 + DIAG_FIELD.interface);
  bytes.writeUInt32LE(cookie, 16 + DIAG_FIELD.cookie);
  let end = 16 + 72;
  for (const [type, payload] of attributes) {
    bytes.writeUInt16LE(4 + payload.length, end);
    bytes.writeUInt16LE(type, end + 2);
    bytes.set(payload, end + 4);
    end += (4 + payload.length + 3) & ~3;
  }
  return new DiagSocket(bytes).move(16, end);
}

describe("the ends of a socket", () => {
  it("are read as text, bytes, numbers and words, each end separately", () => {
    const socket = messageOf({ local: "2001:db8::1:2", remote: "2001:db8:7::9", cookie: 0xfedcba98 });
    expect([socket.localIp, socket.remoteIp]).toEqual(["2001:db8::1:2", "2001:db8:7::9"]);
    expect([socket.localAddress, socket.remoteAddress].map(formatIp)).toEqual([socket.localIp, socket.remoteIp]);
    expect([0, 1, 2, 3].map((i) => socket.localWord(i))).toEqual([0xb80d0120, 0, 0, 0x02000100]);
    expect([0, 1, 2, 3].map((i) => socket.remoteWord(i))).toEqual([0xb80d0120, 0x00000700, 0, 0x09000000]);
    expect([socket.localIpv4, socket.remoteIpv4]).toEqual([-1, -1]);
    expect(socket.cookie).toBe(0xfedcba98);
  });

  it.each(["0.0.0.0", "127.0.0.1", "255.255.255.255"])("that are IPv4-mapped are read as the IPv4 address %s", (ip) => {
    const socket = messageOf({ local: ip, remote: "127.0.0.9" });
    expect([socket.localIp, socket.remoteIp]).toEqual([ip, "127.0.0.9"]);
    expect(socket.localAddress).toEqual(parseIp(ip));
    expect(socket.localIpv4).toBe(Buffer.from(parseIp(ip).bytes).readUInt32BE());
    expect(socket.remoteIpv4).toBe(0x7f000009);
  });

  it.each(["1::ffff:7f00:1", "0:1::ffff:7f00:1", "0:0:1:0:0:ffff:7f00:1", "::1:ffff:7f00:1", "::7f00:1"])(
    "%s is not IPv4-mapped",
    (ip) => {
      const socket = messageOf({ local: ip });
      expect(socket.localIpv4).toBe(-1);
      expect(socket.localAddress).toEqual(parseIp(ip));
    },
  );

  it("that are link-local have an interface name, or its number if it has no name", () => {
    const [lo, other] = [messageOf({ local: "fe80::1", index: 1 }), messageOf({ remote: "fe80::2", index: 999_999 })];
    expect([lo.interfaceIndex, lo.localIp, lo.localAddress.zone]).toEqual([1, "fe80::1%lo", "lo"]);
    expect([other.interfaceIndex, other.remoteIp, other.remoteAddress.zone]).toEqual([
      999_999,
      "fe80::2%999999",
      "999999",
    ]);
    expect(messageOf({ local: "fe80::1" }).localAddress).toEqual(parseIp("fe80::1"));
    // An address that is not link-local has no zone, even if the socket is bound to an interface.
    expect(messageOf({ local: "2001:db8::1", index: 1 }).localIp).toBe("2001:db8::1");
  });

  it("have the zone of their own message when a view moves from one to another", () => {
    const bytes = Buffer.alloc(144);
    for (const [at, index] of [
      [0, 1],
      [72, 999_999],
    ] as const) {
      bytes[at] = 10;
      bytes.set(parseIp("fe80::1").bytes, at + DIAG_FIELD.localIp);
      bytes.writeUInt32LE(index, at + DIAG_FIELD.interface);
    }
    const socket = new DiagSocket(bytes);
    const zones = [0, 72, 72, 0].map((at) => socket.move(at, at + 72).localAddress.zone);
    expect(zones).toEqual(["lo", "999999", "999999", "lo"]);
  });
});

describe("attributes", () => {
  const SKMEMINFO = 7;
  const V6ONLY = 11;
  const MEMORY = new Uint8Array(Uint32Array.from({ length: 9 }, (_, n) => 10 ** n).buffer);

  it("of memory are at their offsets, and the charged memory is the sum of what is held", () => {
    const socket = messageOf({}, [
      [15, Uint8Array.of(0)],
      [SKMEMINFO, MEMORY],
    ]);
    expect(socket.memory).toEqual({
      receiveAllocBytes: 1,
      receiveBufferBytes: 10,
      sendAllocBytes: 100,
      sendBufferBytes: 1000,
      forwardAllocBytes: 10_000,
      sendQueuedBytes: 100_000,
      optionBytes: 1_000_000,
      backlogBytes: 10_000_000,
      drops: 100_000_000,
    });
    expect(Array.from({ length: 9 }, (_, n) => socket.memoryValue(n))).toEqual(Object.values(socket.memory!));
    expect(socket.chargedBytes).toBe(11_110_001);
  });

  it("that are missing are undefined", () => {
    // The values must not be read from the message's own words.
    const socket = messageOf({ local: "1::1", cookie: 5 }, [[SKMEMINFO + 256, MEMORY]]);
    const { memory, chargedBytes, isV6Only, info } = socket;
    expect({ memory, chargedBytes, isV6Only, info }).toEqual({
      memory: undefined,
      chargedBytes: 0,
      isV6Only: false,
      info: undefined,
    });
    // The fourth word of these bytes is the message's first.
    expect([0, 3, 4].map((n) => socket.memoryValue(n))).toEqual([0, 0, 0]);
    const first = Buffer.alloc(72);
    first[0] = 10;
    expect(new DiagSocket(first).move(0, 72).isV6Only).toBe(false);
  });

  it("say whether a socket is IPv6-only", () => {
    expect(messageOf({}, [[V6ONLY, Uint8Array.of(1)]]).isV6Only).toBe(true);
    expect(messageOf({}, [[V6ONLY, Uint8Array.of(0)]]).isV6Only).toBe(false);
  });

  it("start where the previous one ends, with padding, including empty ones", () => {
    const before = [
      [1, new Uint8Array(0)],
      [2, new Uint8Array(3)],
    ] as const;
    expect(messageOf({}, [...before, [V6ONLY, Uint8Array.of(1)]]).isV6Only).toBe(true);
    // The last attribute may have no payload, and the bytes after the end belong to another message.
    const bytes = Buffer.alloc(200);
    bytes.set(messageBytes([[V6ONLY, Uint8Array.of(1)]]), 4);
    expect(new DiagSocket(bytes).move(4, 4 + 72).isV6Only).toBe(false);
    expect(new DiagSocket(bytes).move(4, 4 + 72 + 8).isV6Only).toBe(true);
  });

  it("end at an attribute with an impossible length", () => {
    const bytes = messageBytes([
      [1, Uint8Array.of(1)],
      [V6ONLY, Uint8Array.of(1)],
    ]);
    expect(new DiagSocket(bytes).move(0, 88).isV6Only).toBe(true);
    for (const length of [0, 3]) {
      bytes.writeUInt16LE(length, 72);
      expect(new DiagSocket(bytes).move(0, 88).isV6Only).toBe(false);
    }
  });

  function messageBytes(attributes: readonly (readonly [number, Uint8Array])[]): Buffer {
    const bytes = Buffer.alloc(72 + 8 * attributes.length);
    for (const [n, [type, payload]] of attributes.entries()) {
      bytes.writeUInt16LE(4 + payload.length, 72 + 8 * n);
      bytes.writeUInt16LE(type, 72 + 8 * n + 2);
      bytes.set(payload, 72 + 8 * n + 4);
    }
    return bytes;
  }
});
