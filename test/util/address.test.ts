import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addToIp, formatIp, type IpAddress, isLinkLocal, isLoopback, parseIp } from "../../src/util/address.js";
import { isAddressRange, parseAddressBlocks, parseAddressRanges } from "../../src/util/address-range.js";
import { formatEndpoint, formatFourTuple, parseHostPorts, parsePorts } from "../../src/util/endpoint.js";
import { AppError } from "../../src/util/errors.js";

const anyV4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes): IpAddress => ({ family: 4, bytes }));
const anyV6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes): IpAddress => ({ family: 6, bytes }));

function refusal(act: () => unknown): AppError {
  try {
    const value = act();
    throw new Error(`nothing was thrown, but ${JSON.stringify(value)} returned`);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.code).toBe("E_ADDRESS");
    expect(error.fix).toBeTruthy();
    return error;
  }
}

const plain = (ranges: ReturnType<typeof parseAddressRanges>) =>
  ranges.map(({ first, count }) => [formatIp(first), count]);

describe("parseHostPorts", () => {
  it.each([
    ["127.0.0.1:7777", "127.0.0.1", 7777, 7777],
    ["example.org:80", "example.org", 80, 80],
    ["localhost:7777-7786", "localhost", 7777, 7786],
    ["[::1]:7777", "::1", 7777, 7777],
    ["[::1]:7777-7779", "::1", 7777, 7779],
    ["[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, 80],
    [":7777", "127.0.0.1", 7777, 7777],
    ["7777", "127.0.0.1", 7777, 7777],
    ["7777-7780", "127.0.0.1", 7777, 7780],
    [":1-65535", "127.0.0.1", 1, 65535],
    ["host:1", "host", 1, 1],
    ["host:65535", "host", 65535, 65535],
    ["host-1.my_net:7", "host-1.my_net", 7, 7],
  ])("%j", (text, host, first, last) => {
    expect(parseHostPorts(text)).toEqual({ host, ports: { first, last } });
  });

  it.each([
    "",
    ":",
    "::",
    "::1",
    "::1:7777",
    "[::1]",
    "[::1]:",
    "[127.0.0.1]:80",
    "[zz]:80",
    "[]:80",
    "host",
    "host:",
    "host:port",
    "host:80:81",
    "host:-1",
    "host:1.5",
    "host:80-",
    "host:-80",
    "host:80-90-100",
    "host:0x50",
    "ho st:80",
    "a b",
    "host:8o",
    "http://host:80",
    "host:80/path",
    "10.0.0.1",
    "💥:1x",
  ])("rejects %j", (text) => {
    expect(refusal(() => parseHostPorts(text)).message).toContain(text);
  });

  it.each(["0", "65536", "99999", "123456789012345678901234567890", "1-65536", "0-5"])(
    "finds no port in %s",
    (ports) => {
      expect(refusal(() => parseHostPorts(`127.0.0.1:${ports}`)).message).toMatch(/out of range/);
      expect(refusal(() => parseHostPorts(`127.0.0.1:${ports}`)).fix).toMatch(/use 1 to 65535/);
    },
  );

  it("allows port 0 for a server", () => {
    expect(parseHostPorts("127.0.0.1:0", { anyPort: true }).ports).toEqual({ first: 0, last: 0 });
    expect(refusal(() => parseHostPorts("127.0.0.1:65536", { anyPort: true })).fix).toMatch(/use 0 to 65535/);
  });

  it("says how to write a reversed range", () => {
    expect(refusal(() => parseHostPorts("host:90-80")).fix).toBe("write it as 80-90");
  });

  it("says how to write a host without a port", () => {
    expect(refusal(() => parseHostPorts("localhost")).fix).toBe("write it as localhost:7777");
  });

  it("says how to write a host with an empty port: localhost:", () => {
    expect(refusal(() => parseHostPorts("localhost:")).fix).toBe("write it as localhost:7777");
  });

  it("returns an endpoint or throws E_ADDRESS, whatever it is given", () => {
    const pieces = fc.array(fc.constantFrom("1", "9", ":", "[", "]", "-", ".", "a", "::", " ", "65535"), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          pieces.map((all) => all.join("")),
        ),
        (text) => {
          try {
            const { host, ports } = parseHostPorts(text);
            expect(host).not.toBe("");
            expect(ports.first >= 1 && ports.first <= ports.last && ports.last <= 65535).toBe(true);
          } catch (error) {
            expect(error).toMatchObject({ code: "E_ADDRESS" });
          }
        },
      ),
    );
  });
});

describe("parsePorts", () => {
  it("accept one port and a range", () => {
    expect(parsePorts("7777")).toEqual({ first: 7777, last: 7777 });
    expect(parsePorts("1024-65535")).toEqual({ first: 1024, last: 65535 });
  });
});

describe("parseIp and formatIp", () => {
  it("are each other's inverse", () => {
    fc.assert(
      fc.property(anyV4, (ip) => {
        expect(parseIp(formatIp(ip))).toEqual(ip);
      }),
    );
    fc.assert(
      fc.property(anyV6, (ip) => {
        expect(parseIp(formatIp(ip))).toEqual(ip);
      }),
    );
  });

  it("write IPv6 as in RFC 5952, and a mapped address as IPv4", () => {
    expect(formatIp(parseIp("0:0:0:0:0:0:0:1"))).toBe("::1");
    expect(formatIp(parseIp("2001:DB8:0:0:1:0:0:1"))).toBe("2001:db8::1:0:0:1");
    expect(formatIp(parseIp("::ffff:10.1.2.3"))).toBe("10.1.2.3");
    expect(formatIp(parseIp("[::1]"))).toBe("::1");
  });

  it.each([
    "",
    "localhost",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "0x7f.1",
    "127.1",
    "2130706433",
    ":::",
    "1::2::3",
    "g::1",
    "127.0.0.1%lo",
    "fe80::1%",
    "%eth0",
  ])("reject %j", (text) => {
    refusal(() => parseIp(text));
  });

  it.each(["fe80::1%eth0", "fe80::1%br-lan", "fe80::1%7", "fe80::1%eth0.100", "fe80::1%wlan0:1"])(
    "keep the zone of %s",
    (text) => {
      expect(formatIp(parseIp(text))).toBe(text);
      expect(parseIp(text)).toMatchObject({ family: 6, zone: text.replace(/.*%/, "") });
      expect(parseHostPorts(`[${text}]:7777`).host).toBe(text);
      expect(formatIp(addToIp(parseIp(text), 1))).toBe(text.replace("::1", "::2"));
    },
  );
});

describe("parseAddressRanges", () => {
  it.each<[string, [string, number][]]>([
    ["10.0.0.1", [["10.0.0.1", 1]]],
    [
      "10.0.0.1,10.0.0.9",
      [
        ["10.0.0.1", 1],
        ["10.0.0.9", 1],
      ],
    ],
    ["10.0.0.1-10.0.0.20", [["10.0.0.1", 20]]],
    ["10.0.0.250-10.0.1.5", [["10.0.0.250", 12]]],
    ["10.0.0.0/24", [["10.0.0.1", 254]]],
    ["10.0.0.77/24", [["10.0.0.1", 254]]],
    ["10.0.0.4/30", [["10.0.0.5", 2]]],
    ["10.0.0.4/31", [["10.0.0.4", 2]]],
    ["10.0.0.4/32", [["10.0.0.4", 1]]],
    ["127.0.0.0/8", [["127.0.0.1", 2 ** 24 - 2]]],
    ["fd00::/120", [["fd00::", 256]]],
    ["::1/128", [["::1", 1]]],
    ["fd00::ff-fd00::101", [["fd00::ff", 3]]],
    ["fe80::1%br-lan", [["fe80::1%br-lan", 1]]],
    ["fe80::1-fe80::5%br-lan", [["fe80::1%br-lan", 5]]],
    ["fe80::1%br-lan-fe80::5%br-lan", [["fe80::1%br-lan", 5]]],
    ["fe80::7%eth0/126", [["fe80::4%eth0", 4]]],
    [
      " 10.0.0.1 , 10.0.1.0/30 ",
      [
        ["10.0.0.1", 1],
        ["10.0.1.1", 2],
      ],
    ],
  ])("%j", (text, ranges) => {
    expect(plain(parseAddressRanges(text))).toEqual(ranges);
  });

  it.each([
    "",
    ",",
    "10.0.0.1,",
    "10.0.0.9-10.0.0.1",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "10.0.0.0/8.5",
    "fd00::/129",
    "fd00::/64",
    "0.0.0.0/0",
    "10.0.0.1-::1",
    "10.0.0.1-",
    "host",
    "10.0.0.0/7",
  ])("rejects %j", (text) => {
    refusal(() => parseAddressRanges(text));
  });

  it("rejects text after a complete range: 10.0.0.1-10.0.0.2-10.0.0.3, 10.0.0.0/24/7", () => {
    refusal(() => parseAddressRanges("10.0.0.1-10.0.0.2-10.0.0.3"));
    refusal(() => parseAddressRanges("10.0.0.0/24/7"));
  });

  it("contains every address of a range and no others", () => {
    fc.assert(
      fc.property(anyV4, fc.integer({ min: 0, max: 2 ** 20 }), (first, more) => {
        fc.pre(toNumber(first) + more < 2 ** 32);
        const last = addToIp(first, more);
        expect(plain(parseAddressRanges(`${formatIp(first)}-${formatIp(last)}`))).toEqual([
          [formatIp(first), more + 1],
        ]);
      }),
    );
  });
});

describe("parseAddressBlocks", () => {
  it.each([
    ["10.0.0.7/24", "10.0.0.0", 256],
    ["0.0.0.0/0", "0.0.0.0", 2 ** 32],
    ["2001:db8::/64", "2001:db8::", 2 ** 64],
    ["fe80::1/10", "fe80::", 2 ** 118],
    ["::/0", "::", 2 ** 128],
    ["10.0.0.1-10.0.0.3", "10.0.0.1", 3],
  ])("%s is the whole block", (text, first, count) => {
    const [block] = parseAddressBlocks(text);
    expect([formatIp(block!.first), block!.count]).toEqual([first, count]);
  });

  it("rejects anything but a block", () => {
    for (const text of ["10.0.0.0/33", "::/129", "10.0.0.0/8/8", "fd00::-fd01::"]) {
      expect(() => parseAddressBlocks(text), text).toThrow(expect.objectContaining({ code: "E_ADDRESS" }));
    }
  });
});

describe("addToIp", () => {
  it("carries from byte to byte", () => {
    expect(formatIp(addToIp(parseIp("10.0.0.255"), 1))).toBe("10.0.1.0");
    expect(formatIp(addToIp(parseIp("10.255.255.255"), 1))).toBe("11.0.0.0");
    expect(formatIp(addToIp(parseIp("127.0.0.1"), 2 ** 24 - 3))).toBe("127.255.255.254");
    expect(formatIp(addToIp(parseIp("fd00::ffff:ffff"), 1))).toBe("fd00::1:0:0");
  });

  it("agrees with 32-bit arithmetic and does not modify its argument", () => {
    fc.assert(
      fc.property(anyV4, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (ip, offset) => {
        const before = [...ip.bytes];
        expect(toNumber(addToIp(ip, offset))).toBe((toNumber(ip) + offset) % 2 ** 32);
        expect([...ip.bytes]).toEqual(before);
      }),
    );
  });
});

describe("other functions", () => {
  it("format endpoints and 4-tuples", () => {
    expect(formatEndpoint("127.0.0.1", 7777)).toBe("127.0.0.1:7777");
    expect(formatEndpoint("::1", 7777)).toBe("[::1]:7777");
    const tuple = { sourceIp: "127.0.0.2", sourcePort: 40001, destinationIp: "127.0.0.1", destinationPort: 7777 };
    expect(formatFourTuple(tuple)).toBe("127.0.0.2:40001 → 127.0.0.1:7777");
  });

  it("recognize addresses that are local by definition", () => {
    for (const ip of ["127.0.0.1", "127.255.1.2", "::1"]) expect(isLoopback(parseIp(ip)), ip).toBe(true);
    for (const ip of ["126.0.0.1", "128.0.0.1", "192.0.2.1", "::2", "::"])
      expect(isLoopback(parseIp(ip)), ip).toBe(false);
  });
});

function toNumber({ bytes }: IpAddress): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

describe("a malformed endpoint", () => {
  it.each(["x[::1]:7777", "[::1]:7777:1", "[::1]:7777]:1", "[x]:80"])("%s is rejected", (text) => {
    refusal(() => parseHostPorts(text));
  });

  it.each(["a80", "80a", "a-80", "80-a", "db.local"])("%s is a host without a port", (text) => {
    expect(refusal(() => parseHostPorts(text)).message).toContain("has no port");
  });

  it("gives an invalid port among its facts, as a safe integer", () => {
    expect(refusal(() => parsePorts("65536")).facts).toEqual({ port: 65_536 });
    expect(refusal(() => parsePorts("9".repeat(400))).facts).toEqual({ port: Number.MAX_SAFE_INTEGER });
  });

  it("but spaces around ports are allowed", () => {
    expect(parsePorts(" 7777-7778 ")).toEqual({ first: 7777, last: 7778 });
  });
});

describe("an address", () => {
  it("may be surrounded by spaces or complete brackets", () => {
    for (const text of [" ::1 ", "[::1]", " [::1] "]) expect(parseIp(text)).toEqual(parseIp("::1"));
    for (const text of ["1[::1]", "[::1]1"]) refusal(() => parseIp(text));
  });

  it("without a zone has no such field", () => {
    expect(Object.keys(parseIp("::1"))).toEqual(["family", "bytes"]);
    expect(parseIp("fe80::1%eth0")).toMatchObject({ zone: "eth0" });
    for (const text of ["fe80::1%", "%eth0", "127.0.0.1%eth0"]) refusal(() => parseIp(text));
  });

  it.each([
    ["fe80::1", true],
    ["febf:ffff::", true],
    ["fec0::1", false],
    ["fe7f::1", false],
    ["ff80::1", false],
    ["::fe80", false],
    ["254.128.0.1", false],
  ])("%s is link-local: %s", (text, is) => {
    expect(isLinkLocal(parseIp(text))).toBe(is);
  });
});

describe("a range of link-local addresses", () => {
  it.each([
    ["fe80::1%a-fe80::99", "a", 153],
    ["fe80::1%a-fe80::99%a", "a", 153],
    ["fe80::1%br-lan-fe80::2", "br-lan", 2],
    ["fe80::1-fe80::2%a", "a", 2],
  ])("%s has one zone", (text, zone, count) => {
    expect(parseAddressRanges(text)).toEqual([{ first: parseIp(`fe80::1%${zone}`), count }]);
  });

  it("with two zones is invalid, and without one has none", () => {
    refusal(() => parseAddressRanges("fe80::1%a-fe80::2%b"));
    expect(Object.keys(parseAddressRanges("fe80::1-fe80::2")[0]!.first)).not.toContain("zone");
    expect(parseAddressRanges("fe80::1%br-lan")).toEqual([{ first: parseIp("fe80::1%br-lan"), count: 1 }]);
  });
});

describe("address ranges", () => {
  it("have one family, and one to 16,777,216 addresses", () => {
    refusal(() => parseAddressRanges("0.0.0.1-::5"));
    expect(parseAddressRanges("10.0.0.1-10.0.0.1")).toEqual([{ first: parseIp("10.0.0.1"), count: 1 }]);
    expect(parseAddressRanges("10.0.0.0-10.255.255.255")[0]!.count).toBe(2 ** 24);
    refusal(() => parseAddressRanges("10.0.0.0-11.0.0.0"));
  });

  it.each(["10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0.0/33", "::/129"])("%s is not a block", (text) => {
    refusal(() => parseAddressRanges(text));
    expect(refusal(() => parseAddressBlocks(text)).message).toContain("is not a CIDR block");
  });

  it("of another type are rejected with a fix", () => {
    expect(refusal(() => parseAddressRanges(["10.0.0.1"] as unknown as string)).message).toContain("must be strings");
  });

  it.each<[unknown, boolean]>([
    [{ first: parseIp("10.0.0.1"), count: 1 }, true],
    [{ first: parseIp("::1"), count: 5 }, true],
    [{ first: parseIp("::1"), count: 0 }, false],
    [{ first: { family: 4, bytes: new Uint8Array(16) }, count: 1 }, false],
    [{ first: { family: 6, bytes: new Uint8Array(4) }, count: 1 }, false],
    [{ first: { family: 5, bytes: new Uint8Array(4) }, count: 1 }, false],
    [{ first: { family: 4, bytes: [10, 0, 0, 1] }, count: 1 }, false],
    [{ first: parseIp("::1") }, false],
    [{ count: 1 }, false],
    ["10.0.0.1", false],
    [undefined, false],
    [null, false],
  ])("%j is a parsed range: %s", (value, is) => {
    expect(isAddressRange(value)).toBe(is);
  });
});
