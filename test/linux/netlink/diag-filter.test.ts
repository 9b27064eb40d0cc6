import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileDiagFilter, type DiagFilter } from "../../../src/linux/netlink/diag-filter.js";
import { DiagDump } from "../../../src/linux/netlink/sock-diag.js";

interface Subject {
  readonly local: { readonly port: number; readonly ip: number };
  readonly remote: { readonly port: number; readonly ip: number };
}

/** Interprets a program as the kernel does: inet_diag_bc_run() in net/ipv4/inet_diag.c, IPv4 only. */
function runBytecode(code: Uint8Array, { local, remote }: Subject): boolean {
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  let left = code.length;
  while (left > 0) {
    const at = code.length - left;
    const [op, yes, no] = [code[at]!, code[at + 1]!, view.getUint16(at + 2, true)];
    const argument = () => view.getUint16(at + 6, true);
    const matches = (ip: number) => {
      const bits = code[at + 5]!;
      const prefix = view.getUint32(at + 12);
      return bits === 0 || ip >>> (32 - bits) === prefix >>> (32 - bits);
    };
    const tests: Record<number, () => boolean> = {
      1: () => false,
      2: () => local.port >= argument(),
      3: () => local.port <= argument(),
      4: () => remote.port >= argument(),
      5: () => remote.port <= argument(),
      7: () => matches(local.ip),
      8: () => matches(remote.ip),
    };
    left -= tests[op]!() ? yes : no;
  }
  return left === 0;
}

function evaluate(filter: DiagFilter, subject: Subject): boolean {
  if ("all" in filter) return filter.all.every((part) => evaluate(part, subject));
  if ("any" in filter) return filter.any.some((part) => evaluate(part, subject));
  if ("zone" in filter) throw new Error("an IPv4 socket has no zone");
  const { port, ip } = subject[filter.end];
  if ("portFrom" in filter) return port >= filter.portFrom && port <= filter.portTo;
  const prefix = new DataView(Uint8Array.from(filter.prefix).buffer).getUint32(0);
  return filter.prefixBits === 0 || ip >>> (32 - filter.prefixBits) === prefix >>> (32 - filter.prefixBits);
}

const end = fc.constantFrom("local" as const, "remote" as const);
const port = fc.integer({ min: 0, max: 9 });
const ip = fc.integer({ min: 0, max: 7 }).map((low) => 0x7f000000 + low);
const ports = fc
  .record({ end, a: port, b: port })
  .map(({ end, a, b }): DiagFilter => ({ end, portFrom: Math.min(a, b), portTo: Math.max(a, b) }));
const prefix = fc.record({ end, ip, prefixBits: fc.integer({ min: 24, max: 32 }) }).map(
  ({ end, ip, prefixBits }): DiagFilter => ({
    end,
    family: 4,
    prefix: Uint8Array.of(ip >>> 24, ip >>> 16, ip >>> 8, ip),
    prefixBits,
  }),
);
const { filter } = fc.letrec<{ filter: DiagFilter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    ports,
    prefix,
    fc.array(tie("filter"), { minLength: 1, maxLength: 4 }).map((all) => ({ all })),
    fc.array(tie("filter"), { minLength: 1, maxLength: 4 }).map((any) => ({ any })),
  ),
}));
const subject = fc.record({ local: fc.record({ port, ip }), remote: fc.record({ port, ip }) });

describe("the bytecode", () => {
  it("is byte for byte what ss sends for an OR", () => {
    // `ss -4Htn state established '( src 10.0.0.0/8 or dst 10.0.0.0/8 )'` (iproute2 6.1), captured with strace.
    const either = compileDiagFilter({
      any: [
        { end: "local", family: 4, prefix: Uint8Array.of(10, 0, 0, 0), prefixBits: 8 },
        { end: "remote", family: 4, prefix: Uint8Array.of(10, 0, 0, 0), prefixBits: 8 },
      ],
    })!;
    const jump = "01041400";
    expect(Buffer.from(either).toString("hex")).toBe(
      `0710140002080000ffffffff0a000000${jump}0810140002080000ffffffff0a000000`,
    );
  });

  it("compares all bytes of an IPv6 prefix, and an interface by number", () => {
    // struct inet_diag_hostcond: AF_INET6, prefix length, two bytes of padding, port -1, 16 bytes of address.
    const prefix = Uint8Array.from({ length: 16 }, (_, i) => 0x20 + i);
    const address = compileDiagFilter({ end: "remote", family: 6, prefix, prefixBits: 61 })!;
    expect(Buffer.from(address).toString("hex")).toBe(`081c20000a3d0000ffffffff${Buffer.from(prefix).toString("hex")}`);
    // The second word after the operation is the interface index of lo.
    expect(Buffer.from(compileDiagFilter({ zone: "lo" })!).toString("hex")).toBe("09080c0001000000");
  });

  it("accepts exactly what the conditions say", () => {
    fc.assert(
      fc.property(filter, subject, (filter, subject) => {
        const code = compileDiagFilter(filter)!;
        expect(runBytecode(code, subject)).toBe(evaluate(filter, subject));
      }),
      { numRuns: 2000 },
    );
  });

  it("passes the kernel's own audit", () => {
    fc.assert(
      fc.property(filter, (filter) => {
        // LISTEN only: the kernel then skips the large table of connections.
        const dump = new DiagDump({ states: 1 << 10, filter: compileDiagFilter(filter) });
        while (dump.next(() => true));
        dump.close();
        expect(dump.error).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it("is undefined if it would be too long for the kernel, or if nothing can match", () => {
    const part = (i: number): DiagFilter => ({
      end: "local",
      family: 4,
      prefix: Uint8Array.of(10, i >>> 16, i >>> 8, i),
      prefixBits: 32,
    });
    expect(compileDiagFilter({ any: Array.from({ length: 1000 }, (_, i) => part(i)) })).toBeDefined();
    expect(compileDiagFilter({ any: Array.from({ length: 10_000 }, (_, i) => part(i)) })).toBeUndefined();
    expect(compileDiagFilter({ any: [] })).toBeUndefined();
    expect(compileDiagFilter({ all: [part(1), { any: [] }] })).toBeUndefined();
    // 0xff00 bytes hold 4,080 conditions of 16 bytes. One more does not fit, and the result is no filter, whether alone
    // or nested.
    const [most, over] = [4080, 4081].map(
      (count): DiagFilter => ({ all: Array.from({ length: count }, (_, i) => part(i)) }),
    );
    expect(compileDiagFilter(most!)).toHaveLength(0xff00);
    expect(compileDiagFilter(over!)).toBeUndefined();
    expect(compileDiagFilter({ all: [most!] })).toHaveLength(0xff00);
    expect(compileDiagFilter({ all: [most!, part(1)] })).toBeUndefined();
  });
});

it("reports EINVAL for a program that the kernel rejects", () => {
  const dump = new DiagDump({ states: 2, filter: Buffer.from("01040100", "hex") });
  while (dump.next(() => true));
  dump.close();
  expect(dump.error).toBe(-22);
});
