// Tests struct tcp_info: each field is read at its offset in linux/tcp.h, and only if the kernel's struct is long
// enough.
import { describe, expect, it } from "vitest";
import { decodeTcpInfo } from "../../../src/linux/netlink/tcp-info.js";

/** Each byte equals its own offset, so that the value of a field shows where it was read. */
const BYTES = Uint8Array.from({ length: 256 }, (_, at) => at);
const word = (at: number) => at + (at + 1) * 2 ** 8 + (at + 2) * 2 ** 16 + (at + 3) * 2 ** 24;
const long = (at: number) => Number(BigInt(word(at)) + (BigInt(word(at + 4)) << 32n));

const OF_2_6 = {
  retransmits: 2,
  unackedSegments: word(24),
  rttMicros: word(68),
  rttDeviationMicros: word(72),
  congestionWindow: word(80),
  totalRetransmits: word(100),
  sendMssBytes: word(16),
};
const LATER = { ackedBytes: 120, receivedBytes: 128, sentBytes: 200, retransmittedBytes: 208 };
const LATER_WORDS = { sentSegments: 136, receivedSegments: 140, sendWindowBytes: 228 };

describe("a struct tcp_info", () => {
  it.each([104, 119, 120, 127, 128, 135, 136, 139, 140, 144, 207, 208, 215, 216, 231, 232, 240])(
    "of %i bytes has the fields that fit",
    (length) => {
      const longs = Object.entries(LATER).map(([name, at]) => [name, at + 8 <= length ? long(at) : undefined]);
      const words = Object.entries(LATER_WORDS).map(([name, at]) => [name, at + 4 <= length ? word(at) : undefined]);
      expect(decodeTcpInfo(BYTES, 0, length)).toEqual({ ...OF_2_6, ...Object.fromEntries([...longs, ...words]) });
    },
  );

  it("shorter than that of Linux 2.6 is ignored", () => {
    expect(decodeTcpInfo(BYTES, 0, 103)).toBeUndefined();
  });

  it("is read at its place in a message, and not beyond its end", () => {
    const message = BYTES.subarray(4, 4 + 40 + 104);
    expect(decodeTcpInfo(message, 36, 104)).toMatchObject({
      retransmits: 42,
      rttMicros: word(108),
      ackedBytes: undefined,
    });
  });
});
