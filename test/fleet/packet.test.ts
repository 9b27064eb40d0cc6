// Tests a fleet without kernel sockets: agents in network namespaces, each with a block of addresses that the server's
// host routes to it, as clients and as servers. Connections are counted in the table of the host with sockets.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packetAddresses } from "../../src/fleet/agent/ceiling.js";
import { ownPart, ownServerPart, rangeText } from "../../src/fleet/agent/packet.js";
import { AddressPool } from "../../src/fleet/coordinator/dealing/address-pool.js";
import type { Dealt } from "../../src/fleet/coordinator/dealing/deal.js";
import { assertDisjoint } from "../../src/fleet/coordinator/dealing/packet.js";
import { foreseenShortage } from "../../src/fleet/coordinator/dealing/room.js";
import { openStar, type Star } from "../../src/lab/testbed/star.js";
import { blocksOf } from "../../src/planning/packet/plan.js";
import { formatIp, parseIp, toInteger } from "../../src/util/address.js";
import { parseAddressRanges } from "../../src/util/address-range.js";
import { canMakeNamespaces } from "../support/namespace.js";
import { HAS_NATS } from "../support/nats.js";
import { until } from "../support/until.js";

const AGENT = {
  ...{ id: "id", version: "1.2.3", cores: 1, memoryBytes: 1e9, addresses: [] },
  ...{ host: "", place: "", allows: "" },
};
const ranges = parseAddressRanges;
const permission = (text: string, apply = false) => ({ addresses: text === "" ? [] : ranges(text), apply });

describe("an agent's addresses without kernel sockets", () => {
  it("are what a run asks for and its user has set aside", () => {
    const part = (wanted: string, own: string) => ownPart(ranges(wanted), permission(own)).map(rangeText).join();
    expect(part("10.64.0.0/16", "10.64.1.0/24")).toBe("10.64.1.1-10.64.1.254");
    expect(part("10.64.1.5-10.64.1.9", "10.64.1.0/24")).toBe("10.64.1.5-10.64.1.9");
    expect(part("10.64.0.250-10.64.1.3,fd00::1", "10.64.1.0/24,fd00::/120")).toBe("10.64.1.1-10.64.1.3,fd00::1");
    expect(() => part("10.64.2.0/24", "10.64.1.0/24")).toThrow("none of the addresses is among those");
    expect(() => part("10.64.2.0/24", "")).toThrow(
      "this agent has no addresses for connections without kernel sockets",
    );
  });

  it("are all of them for a server at 0.0.0.0", () => {
    const part = (at: string, own: string) => ownServerPart(ranges(at)[0]!, permission(own));
    expect(rangeText(part("0.0.0.0", "fd00::1,10.65.1.1-10.65.1.8"))).toBe("10.65.1.1-10.65.1.8");
    expect(rangeText(part("::", "fd00::1,10.65.1.1-10.65.1.8"))).toBe("fd00::1");
    expect(rangeText(part("10.65.1.4-10.65.2.1", "10.65.1.1-10.65.1.8"))).toBe("10.65.1.4-10.65.1.8");
    expect(() => part("0.0.0.0", "fd00::1")).toThrow("none of the addresses");
  });

  it("may not be those of another agent", () => {
    const check = (...blocks: (readonly [agent: string, first: string, count: number])[]) => {
      const agents = [...new Set(blocks.map(([id]) => id))].map((id) => ({ id, name: id }));
      const packetOf = (id: string) =>
        blocks.filter(([agent]) => agent === id).map(([, first, count]) => ({ first, count }));
      assertDisjoint(agents, new Map(agents.map(({ id }) => [id, { packet: packetOf(id) }])));
    };
    expect(() => check(["a", "10.64.0.0", 256], ["b", "10.64.1.0", 256], ["c", "fd00::", 5])).not.toThrow();
    expect(() => check(["a", "10.64.1.0", 256], ["b", "10.64.0.0", 257])).toThrow(
      "agents b and a have the same address: 10.64.1.0",
    );
    // Those of one agent may overlap, and do not hide those of another.
    expect(() => check(["a", "10.64.0.0", 256], ["a", "10.64.0.9", 9])).not.toThrow();
    expect(() => check(["a", "10.64.0.0", 256], ["a", "10.64.0.9", 9], ["b", "10.64.0.50", 1])).toThrow(
      "agents a and b have the same address: 10.64.0.50",
    );
  });
});

describe("the addresses of an agent that takes over connections", () => {
  const pool = (own: string, connections: number, tuplesPerAddress = 1000) => {
    const packet = ranges(own).map(({ first, count }) => ({ first: formatIp(first), count }));
    return AddressPool.of({ connections, addresses: 1, packet, tuplesPerAddress }, 1_000_000)!;
  };
  const text = (taken: readonly { readonly first: string; readonly count: number }[]) =>
    taken.map(({ first, count }) => rangeText({ first: parseIp(first), count })).join();

  it("are set aside for them, as far as its ceiling allows", () => {
    const addresses = pool("10.64.1.1-10.64.1.10", 7500);
    expect(text(addresses.take(1000))).toBe("10.64.1.1-10.64.1.3");
    expect(addresses.room).toBe(7000);
    expect(text(addresses.take(3500))).toBe("10.64.1.4-10.64.1.7");
    expect(text(addresses.take(100))).toBe("10.64.1.8");
    expect(text(addresses.take(1900))).toBe("10.64.1.9-10.64.1.10");
    expect(addresses.room).toBe(0);
    expect(AddressPool.of({ connections: 9, addresses: 1 }, 9)).toBeUndefined();
  });

  it("are said to be short before a run if a loss would need more", () => {
    const dealtTo = (name: string, count: number, connections: number) => {
      const packet = [{ first: "10.64.1.1", count }];
      const ceiling = { connections: count * 1000, limit: "tuples", addresses: count, packet, tuplesPerAddress: 1000 };
      return { agent: { ...AGENT, name }, ceiling, sourcePorts: undefined, connections };
    };
    const foreseen = (...dealt: Dealt[]) => foreseenShortage(dealt, 1000);
    expect(foreseen(dealtTo("a", 1, 500), dealtTo("b", 1, 400), dealtTo("c", 1, 100))).toEqual([
      "if agent a is lost, the others can take over none of its 500 connections (agents b and c: its only source address is in use)",
    ]);
    expect(foreseen(dealtTo("a", 2, 1500), dealtTo("b", 2, 500))).toEqual([
      "if agent a is lost, the others can take over 1,000 of its 1,500 connections (agent b: it can hold 1,000 more (source addresses))",
    ]);
    expect(foreseen(dealtTo("a", 2, 500), dealtTo("b", 2, 500))).toEqual([]);
    expect(foreseen(dealtTo("a", 1, 500))).toEqual([]);
  });

  it("are all named, or the agent is refused", () => {
    const sources = Array.from({ length: 4097 }, (_, n) => ranges(`10.64.${n >> 7}.${2 * (n & 127)}`)[0]!);
    const named = (count: number) =>
      packetAddresses({
        groups: [{ sources: sources.slice(0, count), destinations: [{ ip: parseIp("10.0.0.9"), port: 7777 }] }],
        ports: { chosenBy: "us", range: { first: 1024, last: 65_535 }, startAt: 1024 },
      });
    expect(named(4096).packet).toHaveLength(4096);
    expect(() => named(4097)).toThrow("the agent's source addresses are 4,097 ranges, and a fleet deals up to 4,096");
  });

  it("are enough for several losses", () => {
    const addresses = pool("10.64.1.0/24", 100);
    const counts = Array.from({ length: 7 }, () => addresses.take(1).reduce((sum, { count }) => sum + count, 0));
    expect(counts).toEqual([127, 63, 32, 16, 8, 4, 2]);
    expect(addresses.room).toBeGreaterThan(0);
  });

  it("are those that it needs if its ceiling needs all, and each of them once", () => {
    const addresses = pool("10.64.1.3-10.64.1.4,10.64.1.1-10.64.1.3,fd00::1", 5000);
    expect(text(addresses.take(2500))).toBe("10.64.1.1-10.64.1.3");
    expect(text(addresses.take(1500))).toBe("10.64.1.4,fd00::1");
    expect(addresses.room).toBe(0);
  });

  it("are routed apart, wherever a block is cut", () => {
    for (let ceiling = 1; ceiling <= 1022; ceiling++) {
      const addresses = pool("10.64.0.0/22", ceiling, 1);
      const [first, second] = [addresses.take(1), addresses.room === 0 ? [] : addresses.take(addresses.room)];
      const routed = [first, second].map((part) =>
        part.flatMap((range) => blocksOf({ first: parseIp(range.first), count: range.count })),
      );
      const all = routed.flat().map(({ first: ip, bits }) => [Number(toInteger(ip)), 2 ** (32 - bits)] as const);
      const end = (blocks: (typeof routed)[number]) =>
        Math.max(...blocks.map(({ first: ip, bits }) => Number(toInteger(ip)) + 2 ** (32 - bits)));
      const begin = Math.min(...routed[1]!.map(({ first: ip }) => Number(toInteger(ip))));
      expect(end(routed[0]!)).toBeLessThanOrEqual(begin);
      expect(all.reduce((sum, [, size]) => sum + size, 0)).toBeGreaterThanOrEqual(1022);
    }
  });
});

describe.skipIf(!HAS_NATS || !canMakeNamespaces())("a fleet without kernel sockets", () => {
  let star: Star;
  let url: string;

  beforeAll(async () => {
    star = await openStar(2);
    const { server, clients, serverIp } = star;
    const nats = server.start("nats-server", [
      "sh",
      "-c",
      'exec nats-server "$@" 2>&1',
      "sh",
      "-a",
      serverIp,
      "-p",
      "4222",
    ]);
    await nats.prints(/Server is ready/);
    url = `nats://${serverIp}:4222`;
    for (const [n, { ips }] of clients.entries()) {
      await server.start("ip", ["ip", "route", "add", blockOf(n), "via", ips[0]!]).result;
      const agent = clients[n]!.run([
        "agent",
        "--nats",
        url,
        "--name",
        `agent-${n}`,
        "--packet-ip",
        blockOf(n),
        "--apply",
      ]);
      await agent.prints(/waits for runs/);
    }
  }, 60_000);

  afterAll(() => star?.close());

  const blockOf = (n: number) => `10.64.${n}.0/24`;
  const forwardingOf = async (n: number) => {
    const read = star.clients[n]!.start("cat", ["sh", "-c", "cat /proc/sys/net/ipv4/conf/*/forwarding"]);
    return (await read.result).stdout.replaceAll("\n", "");
  };

  it("connects from each agent's own block, which the server's table shows, and reverts its changes", async () => {
    const { server, serverIp } = star;
    const served = server.run(["serve", `${serverIp}:7777`]);
    await served.prints(/listening on/);
    const before = await forwardingOf(0);
    const run = server.run([
      ...[
        "connect",
        `${serverIp}:7777`,
        "-c",
        "300",
        "-T",
        "1m",
        "--transport",
        "packet",
        "--source-ip",
        "10.64.0.0/16",
      ],
      ...["--fleet", url, "--agents", "2", "--json"],
    ]);
    await run.prints(/"stage":"hold"/);
    const table = await server.start("ss", ["ss", "-Htn", "state", "established", "sport", "=", "7777"]).result;
    const sources = table.stdout.match(/10\.64\.[01]\./g) ?? [];
    expect(sources).toHaveLength(300);
    expect(new Set(sources).size).toBe(2);
    expect(await forwardingOf(0)).not.toBe(before);
    run.kill("SIGINT");
    const { stdout } = await run.result;
    const result = JSON.parse(stdout.trim().split("\n").at(-1)!);
    expect(result).toMatchObject({ transport: "packet", established: 300, failed: 0, fleet: { isPartial: false } });
    expect(await forwardingOf(0)).toBe(before);
    served.kill("SIGINT");
    await served.result;
  }, 60_000);

  it("opens the connections of a lost agent from other addresses of the others with --on-lost redeal", async () => {
    const { server, clients, serverIp } = star;
    const served = server.run(["serve", `${serverIp}:7779`]);
    await served.prints(/listening on/);
    await server.start("ip", ["ip", "route", "add", blockOf(2), "via", clients[1]!.ips[0]!]).result;
    const third = clients[1]!.run([
      ...["agent", "--nats", url, "--name", "agent-2", "--packet-ip", blockOf(2), "--apply"],
    ]);
    await third.prints(/waits for runs/);
    const before = await forwardingOf(0);
    const run = server.run([
      ...["connect", `${serverIp}:7779`, "-c", "300", "-T", "forever", "--transport", "packet"],
      ...["--source-ip", "10.64.0.0/16", "--fleet", url, "--agents", "3", "--on-lost", "redeal", "--json"],
    ]);
    await run.prints(/"stage":"hold"/);
    const openFrom = async (block: string) => {
      const table = await server.start("ss", ["ss", "-Htn", "state", "established", "sport", "=", "7779"]).result;
      return table.stdout.split("\n").filter((line) => line.includes(`10.64.${block}.`)).length;
    };
    expect([await openFrom("0"), await openFrom("1"), await openFrom("2")]).toEqual([100, 100, 100]);
    third.kill("SIGKILL");
    const others = async () => (await openFrom("0")) + (await openFrom("1"));
    await until("connections of the others in their place", others, (open) => open === 300);
    // The server knows of them before the coordinator does; those of the lost agent have been counted, too.
    await run.prints(/"established":400/);
    run.kill("SIGINT");
    const result = JSON.parse((await run.result).stdout.trim().split("\n").at(-1)!);
    expect(result).toMatchObject({ outcome: "met", established: 300, fleet: { isPartial: true, missing: 0 } });
    expect(await others()).toBe(0);
    expect(await forwardingOf(0)).toBe(before);
    served.kill("SIGINT");
    await served.result;
  }, 60_000);

  it("serves at each agent's own addresses", async () => {
    const { server } = star;
    const served = server.run([...["serve", "0.0.0.0:7778", "--transport", "packet", "--fleet", url, "--agents", "2"]]);
    const [, to] = await served.prints(/clients connect to: (.*)\n/);
    expect(to).toBe("10.64.0.1-10.64.0.254:7778 10.64.1.1-10.64.1.254:7778");
    const client = server.run(["connect", "10.64.0.7:7778", "10.64.1.9:7778", "-c", "40", "-T", "0s"]);
    expect((await client.result).stdout).toMatch(/target met: 40 connections/);
    served.kill("SIGINT");
    expect((await served.result).stdout).toMatch(/accepted +40\n/);
  }, 60_000);

  it("is refused in words if another agent has the same addresses, also as servers", async () => {
    const { server, clients } = star;
    const third = clients[0]!.run(["agent", "--nats", url, "--name", "agent-2", "--packet-ip", blockOf(1)]);
    await third.prints(/waits for runs/);
    const address = ["serve", "0.0.0.0:7778", "--transport", "packet", "--fleet", url, "--agents", "3"];
    const { code, stderr } = await server.run(address).result;
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching("agents agent-[12] and agent-[12] have the same address"),
    ]);
    third.kill("SIGINT");
    await third.result;
  }, 60_000);

  it("is refused in words by an agent without addresses", async () => {
    const { server, clients } = star;
    const name = randomUUID().slice(0, 8);
    const third = clients[0]!.run(["agent", "--nats", url, "--name", name]);
    await third.prints(/waits for runs/);
    const run = server.run([
      ...["connect", `${star.serverIp}:7777`, "-c", "30", "--transport", "packet", "--source-ip", "10.64.0.0/16"],
      ...["--fleet", url, "--agents", "3"],
    ]);
    const { code, stderr } = await run.result;
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(`agent ${name}: this agent has no addresses for connections`),
    ]);
    third.kill("SIGINT");
    await third.result;
  }, 60_000);
});
