// Tests `connect --transport packet` against what routers and unusual hosts on the path send. Clients with kernel sockets
// meet the same.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { canMakeNamespaces, makeNamespace } from "../../support/namespace.js";
import { connect, FAR, FAR_V6, FREE, inNamespace, lossyPath, OWN_V6 } from "../../support/packet-runs.js";
import { CLI_FILE, hasProgram, start } from "../../support/process.js";

const PACKET = ["--transport", "packet", "--source-ip"];
const FREE_V6 = [...PACKET, "fd00:64::1-fd00:64::ff"];
/** This host's, on the link with a router. */
const MAC = "02:00:00:00:00:01";
const FIRST_PORT = 8001;
/** Kinds of ICMP errors that nft can send. */
const REJECTIONS = {
  icmp: [
    ...["net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable"],
    ...["net-prohibited", "host-prohibited", "admin-prohibited"],
  ],
  icmpv6: ["no-route", "admin-prohibited", "addr-unreachable", "port-unreachable", "policy-fail", "reject-route"],
};

function run(command: string): void {
  const [program, ...args] = command.split(" ");
  const { status, stderr } = spawnSync(program!, args, { encoding: "utf8" });
  expect([command, status, stderr]).toEqual([command, 0, ""]);
}

describe.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("connect --transport packet", () => {
  it.each([
    ["icmp", FAR, FREE],
    ["icmpv6", `[${FAR_V6}]`, FREE_V6],
  ] as const)("fails with the errnos of the kernel's own sockets (%s)", async (protocol, host, free) => {
    const far = lossyPath("meta mark 1");
    const kinds = REJECTIONS[protocol];
    const rules = kinds.map((kind, n) => `tcp dport ${FIRST_PORT + n} reject with ${protocol} type ${kind};`);
    const chain = `table inet refusing { chain c { type filter hook input priority 0; ${rules.join(" ")} }; }`;
    expect(spawnSync("ip", ["netns", "exec", far, "nft", chain]).status).toBe(0);
    for (const limit of ["ipv4.icmp_ratelimit", "ipv6.icmp.ratelimit"])
      run(`ip netns exec ${far} sysctl -qw net.${limit}=0`);
    const ends = [`${host}:${FIRST_PORT}-${FIRST_PORT + kinds.length - 1}`, "--authorized", "-T", "0"];
    const failuresWith = async (transport: readonly string[]) => {
      const { result } = await connect([...ends, ...transport, "-c", `${kinds.length}`]);
      const failures: { phase: string; errno: string; count: number }[] = result.failures;
      return failures.map(({ phase, errno, count }) => `${phase} ${errno} ${count}`).sort();
    };
    const seen = await failuresWith(free);
    expect(seen).toEqual(await failuresWith([]));
    expect(new Set(seen).size).toBeGreaterThan(3);
  });

  it("connects although a router knows a shorter way (ICMP redirect)", async () => {
    // The router and the server are on the same link as this host.
    inNamespace();
    const [router, far] = [makeNamespace(), makeNamespace()];
    run(`ip link add fourtuple-b address ${MAC} type bridge`);
    run("ip link set fourtuple-b up");
    run("ip addr add 10.98.0.1/24 dev fourtuple-b");
    run("sysctl -qw net.ipv4.conf.fourtuple-b.proxy_arp=1");
    for (const [n, host] of [router, far].entries()) {
      run(`ip link add fourtuple-b${n} type veth peer name eth0 netns ${host}`);
      run(`ip link set fourtuple-b${n} master fourtuple-b up`);
      run(`ip -n ${host} addr add 10.98.0.${n + 2}/24 dev eth0`);
      run(`ip -n ${host} link set eth0 up`);
      run(`ip -n ${host} route add 10.64.0.0/16 dev eth0`);
    }
    // The redirect arrives before the server's answer, which waits for ARP.
    run(`ip -n ${router} neigh add 10.64.0.5 lladdr ${MAC} dev eth0`);
    run(`ip -n ${far} addr add 10.97.0.1/32 dev lo`);
    run(`ip -n ${router} route add 10.97.0.1/32 via 10.98.0.3`);
    run(`ip netns exec ${router} sysctl -qw net.ipv4.ip_forward=1`);
    run("ip route add 10.97.0.1/32 via 10.98.0.2");
    const command = [process.execPath, CLI_FILE, "serve", "10.97.0.1:7777", "--log", "none", "--json"];
    const server = start("ip", ["netns", "exec", far, ...command]);
    await server.prints(/.+\n/);
    const { result } = await connect(["10.97.0.1:7777", ...PACKET, "10.64.0.5", "-c", "5", "-T", "0", "--authorized"]);
    const counters = spawnSync("ip", ["netns", "exec", router, "nstat", "-asz", "IcmpOutRedirects"], {
      encoding: "utf8",
    });
    expect(counters.stdout).toMatch(/IcmpOutRedirects +[1-9]/);
    expect(result).toMatchObject({ outcome: "met", established: 5, failed: 0 });
    expect(result.packets).toMatchObject({ icmp: [] });
  });

  it("reads past extension headers of IPv6", async () => {
    inNamespace();
    // Padding only, in one header each. The kernel adds them to every packet of the server.
    const program = `
import socket
server = socket.socket(socket.AF_INET6)
server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes([0, 1, 1, 12] + [0] * 12))
server.bind(("${OWN_V6}", 7777))
server.listen(100)
print("ready", flush=True)
peers = []
while True:
    peer, _ = server.accept()
    peers.append(peer)
    peer.sendall(b"x" * 5000)
`;
    const server = start("python3", ["-c", program]);
    await server.prints(/ready/);
    const { result } = await connect([`[${OWN_V6}]:7777`, ...FREE_V6, "-c", "20", "-T", "200ms"]);
    expect(result).toMatchObject({ outcome: "met", established: 20, failed: 0, traffic: { receivedBytes: 100_000 } });
    expect(result.packets).toMatchObject({ malformed: 0, badChecksums: 0 });
  });
});
