// Tests the destinations that an agent permits.
import { describe, expect, it } from "vitest";
import { assertAllowed, assertMayListen, DEFAULT_ALLOW, parsePermission } from "../../src/fleet/agent/allow.js";
import { parseIp } from "../../src/util/address.js";

function isAllowed(allow: readonly string[], ip: string, port = 7777): boolean {
  const groups = [{ sources: [], destinations: [{ ip: parseIp(ip), port }] }];
  try {
    assertAllowed({ groups, ports: { chosenBy: "kernel", available: 1 } }, allow.map(parsePermission));
    return true;
  } catch {
    return false;
  }
}

describe("an agent", () => {
  it.each(["127.0.0.1", "127.9.9.9", "10.1.2.3", "172.31.255.255", "192.168.0.1", "::1", "fd12::1", "::ffff:10.0.0.1"])(
    "connects to %s by default",
    (ip) => expect(isAllowed(DEFAULT_ALLOW, ip)).toBe(true),
  );

  it.each(["8.8.8.8", "172.32.0.1", "169.254.169.254", "192.167.255.255", "2001:db8::1", "::ffff:8.8.8.8", "::2"])(
    "does not connect to %s by default",
    (ip) => expect(isAllowed(DEFAULT_ALLOW, ip)).toBe(false),
  );

  it("connects only to the blocks and ports that it was given", () => {
    const allow = ["192.0.2.0/24:7000-7010", "[2001:db8::/32]:443", "198.51.100.7"];
    expect(isAllowed(allow, "192.0.2.9", 7005)).toBe(true);
    expect(isAllowed(allow, "192.0.2.9", 7011)).toBe(false);
    expect(isAllowed(allow, "2001:db8::5", 443)).toBe(true);
    expect(isAllowed(allow, "2001:db8::5", 80)).toBe(false);
    expect(isAllowed(allow, "198.51.100.7", 1)).toBe(true);
    expect(isAllowed(allow, "127.0.0.1")).toBe(false);
  });

  it("listens on all addresses of its host if it may use each that other networks reach", () => {
    const own = ["10.0.0.5", "fe80::fc:ff:fe00:1"].map(parseIp);
    const permissions = DEFAULT_ALLOW.map(parsePermission);
    const listen =
      (at: string, addresses = own) =>
      () =>
        assertMayListen({ first: parseIp(at), count: 1 }, 7777, addresses, permissions);
    expect(listen("0.0.0.0")).not.toThrow();
    expect(listen("::")).not.toThrow();
    const routed = [...own, parseIp("2001:db8::5")];
    expect(listen("0.0.0.0", routed)).not.toThrow();
    expect(listen("::", routed)).toThrow(/^\[2001:db8::5\]:7777 is not among the addresses that this agent may use/);
    expect(listen("0.0.0.0", [parseIp("198.51.100.7")])).toThrow(/^198\.51\.100\.7:7777 is not among/);
  });

  it("listens on a range of addresses if one block has all of them", () => {
    const permissions = ["10.64.0.0/24", "10.64.2.0/24"].map(parsePermission);
    const listen = (first: string, count: number) => () =>
      assertMayListen({ first: parseIp(first), count }, 7777, [], permissions);
    expect(listen("10.64.2.0", 256)).not.toThrow();
    expect(listen("10.64.2.0", 257)).toThrow(/^10\.64\.2\.0-10\.64\.3\.0:7777 is not among/);
    // Both ends are permitted, and the addresses between the blocks are not.
    expect(listen("10.64.0.9", 512)).toThrow(/^10\.64\.0\.9-10\.64\.2\.8:7777 is not among/);
  });

  it("refuses in words", () => {
    const plan = { groups: [{ sources: [], destinations: [{ ip: parseIp("8.8.8.8"), port: 53 }] }] } as never;
    expect(() => assertAllowed(plan, [parsePermission("10.0.0.0/8")])).toThrow(
      "8.8.8.8:53 is not among the destinations that this agent may connect to: 10.0.0.0/8",
    );
  });

  it.each(["", "10.0.0.0/33", "10.0.0.0/8:0", "10.0.0.0/8:x", "fd00::/8:443", "example.org"])(
    "does not take %j for a block",
    (text) => expect(() => parsePermission(text)).toThrow(expect.objectContaining({ code: "E_ADDRESS" })),
  );
});
