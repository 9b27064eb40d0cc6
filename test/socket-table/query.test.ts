import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endpointsQuery } from "../../src/socket-table/endpoints.js";
import { parseEnd, toQuery } from "../../src/socket-table/filter.js";
import { toPrefixes } from "../../src/socket-table/prefixes.js";
import { stateMask } from "../../src/socket-table/query.js";
import { parseIp } from "../../src/util/address.js";
import { parseAddressBlocks, parseAddressRanges } from "../../src/util/address-range.js";

it("covers an address range with the fewest prefixes", () => {
  const text = (range: string) =>
    parseAddressRanges(range)
      .flatMap(toPrefixes)
      .map(({ prefix, prefixBits }) => `${prefix.join(".")}/${prefixBits}`);
  expect(text("127.0.0.1-127.0.0.20")).toEqual([
    "127.0.0.1/32",
    "127.0.0.2/31",
    "127.0.0.4/30",
    "127.0.0.8/29",
    "127.0.0.16/30",
    "127.0.0.20/32",
  ]);
  expect(text("10.0.0.0-10.0.0.255")).toEqual(["10.0.0.0/24"]);
  expect(text("::1")).toEqual(["0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1/128"]);
  for (const block of ["0.0.0.0/0", "2001:db8::/32", "::/0"]) {
    const [prefix, ...more] = parseAddressBlocks(block).flatMap(toPrefixes);
    expect([prefix!.prefixBits, more]).toEqual([Number(block.split("/")[1]), []]);
  }
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60_000 }), fc.integer({ min: 1, max: 5000 }), (first, count) => {
      const bytes = Uint8Array.of(10, 0, first >>> 8, first);
      const prefixes = toPrefixes({ first: { family: 4, bytes }, count });
      let next = first;
      for (const { prefix, prefixBits } of prefixes) {
        expect((prefix[2]! << 8) | prefix[3]! | ((prefix[1]! & 255) << 16)).toBe(next);
        next += 2 ** (32 - prefixBits);
      }
      expect(next).toBe(first + count);
    }),
  );
});

describe("endpoints as a query", () => {
  const at = (ip: string, ...ports: number[]) => ports.map((port) => ({ ip: parseIp(ip), port }));
  const only = (ip: string) => ({ first: parseIp(ip), count: 1 });

  it("are ports and addresses if each address has the same ports", () => {
    expect(endpointsQuery([...at("10.0.0.1", 9, 7, 8, 7), ...at("10.0.0.2", 8, 7, 9)])).toEqual({
      addresses: [only("10.0.0.1"), only("10.0.0.2")],
      ports: [{ first: 7, last: 9 }],
    });
  });

  it("are alternatives otherwise", () => {
    expect(endpointsQuery([...at("10.0.0.1", 7, 9), ...at("::1", 7)])).toEqual({
      oneOf: [
        {
          addresses: [only("10.0.0.1")],
          ports: [
            { first: 7, last: 7 },
            { first: 9, last: 9 },
          ],
        },
        { addresses: [only("::1")], ports: [{ first: 7, last: 7 }] },
      ],
    });
  });
});

describe("a filter as text", () => {
  it("is converted to ranges", () => {
    expect(parseEnd("127.0.0.1", "7777-7786")).toEqual({
      ports: [{ first: 7777, last: 7786 }],
      addresses: [{ first: { family: 4, bytes: Uint8Array.of(127, 0, 0, 1) }, count: 1 }],
    });
    expect(parseEnd(undefined, undefined)).toBeUndefined();
    expect(toQuery({ states: ["ESTABLISHED", "TIME_WAIT"] }).states).toBe((1 << 1) | (1 << 6));
    expect(stateMask([])).toBe(0);
  });

  it.each([
    [{ port: 65_536 }, /port 65536/],
    [{ localPort: "x" }, /"x"/],
    [{ ip: "nowhere" }, /"nowhere" is not an IP address/],
    [{ remoteIp: "10.0.0.0/33" }, /not a CIDR block/],
  ])("is rejected if invalid: %j", (filter, message) => {
    expect(() => toQuery(filter)).toThrow(message);
    expect(() => toQuery(filter)).toThrow(expect.objectContaining({ code: "E_ADDRESS" }));
  });
});
