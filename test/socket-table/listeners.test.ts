// Tests which listener serves an address and which sockets it accepted: wildcard, IPV6_V6ONLY and SO_REUSEPORT
// listeners.
import { describe, expect, it } from "vitest";
import { pressure } from "../../src/socket-table/ports/pressure.js";
import { type SocketFilter, socketTable } from "../../src/socket-table/summary.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { acceptMany, close, connectRaw, listenRaw } from "../support/raw-sockets.js";

async function listenersOf(filter: SocketFilter): Promise<string[]> {
  return (await socketTable(filter)).listeners.map(({ ip, port }) => `${ip} ${port}`);
}

describe.skipIf(!canMakeNamespaces())("listeners", () => {
  it("are matched with the addresses that they serve, and no others", async () => {
    enterNamespace();
    listenRaw("0.0.0.0", 1001);
    listenRaw("::", 1002, { isV6Only: true });
    listenRaw("::", 1003);
    listenRaw("127.0.0.1", 1004);
    for (const end of ["localIp", "ip"] as const) {
      expect(await listenersOf({ [end]: "127.0.0.1" })).toEqual(["0.0.0.0 1001", ":: 1003", "127.0.0.1 1004"]);
      expect(await listenersOf({ [end]: "127.0.0.9" })).toEqual(["0.0.0.0 1001", ":: 1003"]);
      expect(await listenersOf({ [end]: "::1" })).toEqual([":: 1002", ":: 1003"]);
      expect(await listenersOf({ [end]: "127.0.0.9,::1" })).toEqual(["0.0.0.0 1001", ":: 1002", ":: 1003"]);
    }
    // --list shows exactly the counted sockets; /proc does not report IPV6_V6ONLY.
    expect((await socketTable({ ip: "127.0.0.9" })).sockets).toBe(2);
    expect((await socketTable({ ip: "::1", source: "/proc/net/tcp" })).sockets).toBe(2);
    expect((await socketTable({ ip: "127.0.0.9", source: "/proc/net/tcp" })).sockets).toBe(3);
  });

  it("are all found, however many datagrams they take", async () => {
    enterNamespace();
    const ports = Array.from({ length: 1000 }, (_, i) => 1001 + i);
    const fds = ports.map((port) => listenRaw("127.0.0.1", port));
    const found = async () => (await socketTable({ top: 0 })).listeners.map(({ port }) => port);
    expect(await found()).toEqual(ports);
    close(fds[500]!);
    expect(await found()).toEqual(ports.filter((port) => port !== 1501));
  });

  it("have not accepted connections of a family that they do not serve", async () => {
    enterNamespace();
    listenRaw("127.0.0.1", 1001);
    listenRaw("::", 40_000, { isV6Only: true });
    connectRaw("127.0.0.1", 1001, { ip: "127.0.0.1", port: 40_000 });
    connectRaw("::1", 40_000, { ip: "::1", port: 2000 });
    expect(await socketTable({ localPort: 40_000, states: ["ESTABLISHED"] })).toMatchObject({
      incoming: 1,
      outgoing: 1,
    });
    const { rows } = await pressure();
    expect(rows.map(({ sourceIp, destinationPort }) => `${sourceIp} ${destinationPort}`).sort()).toEqual([
      "127.0.0.1 1001",
      "::1 40000",
    ]);
  });

  it("on :: have also accepted IPv4, unless they are IPV6_V6ONLY", async () => {
    enterNamespace();
    listenRaw("::", 1001);
    connectRaw("127.0.0.1", 1001);
    connectRaw("::1", 1001);
    expect(await socketTable({ localPort: 1001, states: ["ESTABLISHED"] })).toMatchObject({
      incoming: 2,
      outgoing: 0,
      byFamily: { ipv4: 0, mapped: 1, ipv6: 1 },
    });
  });

  it("that overlap have accepted connections to their own address, the most specific first", async () => {
    enterNamespace();
    listenRaw("0.0.0.0", 1001, { sharesPort: true });
    listenRaw("127.0.0.1", 1001, { sharesPort: true });
    listenRaw("0.0.0.0", 1002);
    listenRaw("::", 1002, { isV6Only: true });
    for (let i = 0; i < 4; i++) listenRaw("127.0.0.1", 1003, { sharesPort: true });
    listenRaw("::", 1004);
    const connect = (ip: string, port: number, times: number) => {
      for (let i = 0; i < times; i++) connectRaw(ip, port);
    };
    connect("127.0.0.1", 1001, 5);
    connect("127.0.0.2", 1001, 3);
    connect("127.0.0.1", 1002, 2);
    connect("::1", 1002, 6);
    connect("127.0.0.1", 1003, 40);
    connect("127.0.0.1", 1004, 1);
    connect("::1", 1004, 1);
    const rows = (await socketTable({ top: 1 })).listeners;
    expect(rows.map(({ ip, port, established, sharedBy }) => `${ip} ${port}: ${established}, ${sharedBy}`)).toEqual([
      "0.0.0.0 1001: 3, 1",
      "127.0.0.1 1001: 5, 1",
      "0.0.0.0 1002: 2, 1",
      ":: 1002: 6, 1",
      ...Array(4).fill("127.0.0.1 1003: 40, 4"),
      ":: 1004: 2, 1",
    ]);
  });

  it("that no longer exist leave sockets that do not count as pressure", async () => {
    enterNamespace();
    const listener = listenRaw("127.0.0.1", 1001);
    for (let i = 0; i < 10; i++) connectRaw("127.0.0.1", 1001);
    acceptMany(listener, 10);
    close(listener);
    const { outgoing, distinct, rows } = await pressure();
    expect([outgoing, distinct]).toEqual([10, 1]);
    expect(rows).toMatchObject([{ destinationPort: 1001, inUse: 10 }]);
  });
});

describe.skipIf(!canMakeNamespaces())("address blocks", () => {
  it("of IPv6 and IPv4 filter the same in the kernel and here", async () => {
    enterNamespace();
    listenRaw("::", 1001);
    connectRaw("127.0.0.1", 1001);
    connectRaw("::1", 1001);
    const count = async (remoteIp: string) => {
      const filter = { remoteIp, states: ["ESTABLISHED"] } as const;
      const [diag, proc] = [await socketTable(filter), await socketTable({ ...filter, source: "/proc/net/tcp" })];
      expect(proc.sockets).toBe(diag.sockets);
      return diag.sockets;
    };
    expect(await count("0.0.0.0/0")).toBe(2);
    expect(await count("127.0.0.0/8")).toBe(2);
    expect(await count("10.0.0.0/8")).toBe(0);
    // The prefix contains the IPv4-mapped addresses.
    expect(await count("::/64")).toBe(3);
    expect(await count("2001:db8::/32")).toBe(0);
    expect(await count("::ffff:0:0/96")).toBe(1);
    expect(await count("::/0")).toBe(3);
  });
});
