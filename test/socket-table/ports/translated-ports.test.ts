// Tests source ports that a masquerading router assigns: they exist only in conntrack, and `ports --pressure` shows
// them on the router.
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { emptyConnection, parseTracked } from "../../../src/linux/netlink/conntrack.js";
import { parseIptables, parseNft } from "../../../src/socket-table/ports/nat-rules.js";
import { canMakeNamespaces, makeNamespace } from "../../support/namespace.js";
import { CLI_FILE, hasProgram, start } from "../../support/process.js";
import { until } from "../../support/until.js";

const canTranslate = canMakeNamespaces() && hasProgram("nft");

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}

/** Creates a client, a router and a server in a row; the router translates by `rule`. */
function network(rule: string) {
  const [client, router, server] = [makeNamespace(), makeNamespace(), makeNamespace()];
  const join = (a: string, nameA: string, addressesA: string[], b: string, nameB: string, addressesB: string[]) => {
    ip("-n", a, "link", "add", nameA, "type", "veth", "peer", "name", nameB, "netns", b);
    for (const [ns, name, addresses] of [
      [a, nameA, addressesA],
      [b, nameB, addressesB],
    ] as const) {
      for (const address of addresses)
        ip("-n", ns, "addr", "add", address, "dev", name, ...(address.includes(":") ? ["nodad"] : []));
      ip("-n", ns, "link", "set", name, "up");
    }
  };
  join(client, "eth0", ["10.77.1.1/24", "fd77:1::1/64"], router, "in0", ["10.77.1.254/24", "fd77:1::fe/64"]);
  join(router, "out0", ["10.77.0.254/24", "fd77:0::fe/64"], server, "eth0", ["10.77.0.1/24", "fd77:0::1/64"]);
  ip("-n", client, "route", "add", "default", "via", "10.77.1.254");
  ip("-n", client, "-6", "route", "add", "default", "via", "fd77:1::fe");
  for (const name of ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"])
    spawnSync("ip", ["netns", "exec", router, "sysctl", "-qw", `${name}=1`]);
  const input = `table inet n { chain p { type nat hook postrouting priority 100; ${rule}; }; }`;
  const { status, stderr } = spawnSync("ip", ["netns", "exec", router, "nft", "-f", "-"], { input, encoding: "utf8" });
  if (status !== 0) throw new Error(`nft: ${stderr}`);
  return { client, router, server };
}

/** Holds `count` connections from the client to the server's port 7777. */
async function hold(net: ReturnType<typeof network>, count: number, to: string, established = count): Promise<void> {
  const server = start("ip", [
    ...["netns", "exec", net.server, process.execPath, "--eval"],
    `let n = 0; require("node:net").createServer(() => console.log(++n, "accepted"))
      .listen({ port: 7777, host: "::", backlog: 4096 }, () => console.log("ready"));`,
  ]);
  await server.prints(/ready/);
  start("ip", [
    ...["netns", "exec", net.client, process.execPath, "--eval"],
    `for (let i = 0; i < ${count}; i++) require("node:net").connect(7777, "${to}").on("error", () => {});`,
  ]);
  await server.prints(new RegExp(`^${established} accepted`, "m"));
}

async function ports(net: string, ...args: string[]) {
  return start("ip", ["netns", "exec", net, process.execPath, CLI_FILE, "ports", ...args]).exited();
}

describe.skipIf(!canTranslate)("source ports of NAT", () => {
  it("are counted on the router, within the range of its rule", async () => {
    const net = network('oifname "out0" meta l4proto tcp masquerade to :40000-40039');
    await hold(net, 60, "10.77.0.1", 40);
    const { code, stdout } = await ports(net.router, "--pressure");
    expect(stdout).toMatch(/^1 NAT destination uses more than 80% of the source ports/);
    expect(stdout).toMatch(/10\.77\.0\.254 → 10\.77\.0\.1:7777 +40 +0 +40 +0 +100%/);
    expect(stdout).toContain("ports 40000-40039: masquerade to :40000-40039");
    expect(code).toBe(0);
    expect((await ports(net.router, "--pressure", "--fail-above", "80")).code).toBe(1);
    const metrics = await ports(net.router, "--metrics");
    expect(metrics.stdout).toContain(
      'fourtuple_nat_ports_in_use{source="10.77.0.254",destination="10.77.0.1",destination_port="7777"} 40',
    );
    // Conditions apply to the destination.
    expect(JSON.parse((await ports(net.router, ":7777", "--pressure", "--json")).stdout).translated.distinct).toBe(1);
    expect((await ports(net.router, ":7778", "--pressure")).code).toBe(1);
    expect((await ports(net.router, "--pressure", "--peer", "10.77.0.0/24")).stdout).toContain("10.77.0.254 →");
    expect((await ports(net.router, "--pressure", "--peer", "10.77.1.0/24")).stdout).not.toContain("10.77.0.254 →");
    expect((await ports(net.router, "--pressure", "-6")).stdout).not.toContain("10.77.0.254 →");
  });

  it("are counted for IPv6, where no rule limits them to less than 1024-65535", async () => {
    const net = network('oifname "out0" masquerade');
    await hold(net, 5, "fd77:0::1");
    const { stdout } = await ports(net.router, "--pressure", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      outgoing: 0,
      translated: {
        connections: 5,
        rows: [
          {
            sourceIp: "fd77::fe",
            destinationIp: "fd77::1",
            destinationPort: 7777,
            inUse: 5,
            capacity: 64_512,
            ports: { first: 1024, last: 65_535 },
          },
        ],
      },
    });
  });

  it.skipIf(!hasProgram("setpriv"))("are reported as hidden without privileges", async () => {
    const net = network('oifname "out0" masquerade');
    await hold(net, 3, "10.77.0.1");
    const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const { stderr, code } = await start("ip", [
      ...["netns", "exec", net.router, ...nobody, process.execPath, CLI_FILE, "ports", "--pressure"],
    ]).exited();
    expect(stderr).toMatch(/^note: conntrack cannot be read \(EPERM\), .*not shown; run as root\n$/);
    expect(code).toBe(0);
  });
});

it("a host whose conntrack translates nothing has no NAT ports", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => {
    socket.destroy();
    server.close();
  });
  await until("connected", () => !socket.connecting);
  const { pressure } = await import("../../../src/socket-table/ports/pressure.js");
  expect((await pressure({ port })).translated?.rows ?? []).toEqual([]);
});

describe("rules with a range of ports", () => {
  it("from nft's JSON", () => {
    const expressions = [
      { masquerade: { port: { range: [40_000, 40_099] } } },
      { snat: { addr: "10.0.0.1", port: { range: [2000, 2009] } } },
      { snat: { addr: "fd00::1", family: "ip6", port: 3000 } },
      { masquerade: null },
      { snat: { addr: "10.0.0.2" } },
      { snat: { addr: { map: {} }, port: { range: [1, 2] } } },
      { accept: null },
    ];
    const json = JSON.stringify({
      nftables: [{ metainfo: {} }, { chain: {} }, ...expressions.map((it) => ({ rule: { expr: [it] } }))],
    });
    expect(parseNft(json)).toEqual([
      { text: "masquerade to :40000-40099", ip: undefined, ports: { first: 40_000, last: 40_099 } },
      { text: "snat to 10.0.0.1:2000-2009", ip: "10.0.0.1", ports: { first: 2000, last: 2009 } },
      { text: "snat to [fd00::1]:3000-3000", ip: "fd00::1", ports: { first: 3000, last: 3000 } },
      { text: "snat to :1-2", ip: undefined, ports: { first: 1, last: 2 } },
    ]);
    expect(parseNft("not JSON")).toEqual([]);
  });

  it("from iptables-save", () => {
    const text = `*nat
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -o eth0 -p tcp -j MASQUERADE --to-ports 1024-2048 --random
-A POSTROUTING -p tcp -j SNAT --to-source 10.0.0.5:4000-4999
-A POSTROUTING -p tcp -j SNAT --to-source [fd00::5]:4000-4999
-A POSTROUTING -p tcp -j SNAT --to-source 10.0.0.6
COMMIT`;
    expect(parseIptables(text).map(({ ip: address, ports: { first, last } }) => [address, first, last])).toEqual([
      [undefined, 1024, 2048],
      ["10.0.0.5", 4000, 4999],
      ["fd00::5", 4000, 4999],
    ]);
  });
});

describe("/proc/net/nf_conntrack", () => {
  it("distinguishes translated sources from others", () => {
    const seen = emptyConnection();
    const head = "ipv4     2 tcp      6 431999 ESTABLISHED";
    const original = "src=10.77.1.1 dst=10.77.0.1 sport=40000 dport=7777";
    const tail = "[ASSURED] mark=0 zone=0 use=2";
    expect(parseTracked(`${head} ${original} src=10.77.0.1 dst=10.77.0.254 sport=7777 dport=40001 ${tail}`, seen)).toBe(
      true,
    );
    expect(seen).toMatchObject({
      family: 4,
      isSourceTranslated: true,
      isTimeWait: false,
      source: { port: 40_001 },
      destination: { port: 7777 },
    });
    expect(seen.source.words[0]! >>> 0).toBe(0x0a4d00fe);
    parseTracked(
      `ipv4 2 tcp 6 50 TIME_WAIT ${original} src=10.77.0.1 dst=10.77.1.1 sport=7777 dport=40000 ${tail}`,
      seen,
    );
    expect(seen).toMatchObject({ isSourceTranslated: false, isTimeWait: true });
    expect(
      parseTracked(
        "ipv4 2 udp 17 29 src=1.1.1.1 dst=1.1.1.2 sport=1 dport=2 src=1.1.1.2 dst=1.1.1.1 sport=2 dport=1",
        seen,
      ),
    ).toBe(false);
  });
});
