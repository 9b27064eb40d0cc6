// Tests refusals by this host, and by the network with the same errnos: routes, rules and firewalls of the test's own
// namespace and of a router.
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { ConnectResult, Diagnosis } from "../../src/index.js";
import { canMakeNamespaces, enterNamespace, makeNamespace } from "../support/namespace.js";
import { hasProgram, resultOf, runCli } from "../support/process.js";
import { listenRaw } from "../support/raw-sockets.js";

type Run = ConnectResult & { readonly diagnosis: Diagnosis };

async function connect(to: string, ...args: string[]): Promise<Run> {
  const { stdout } = await runCli(["connect", to, "-c", "20", "-T", "0s", ...args, "--json"]);
  return resultOf(stdout);
}

const run = (program: string, line: string) => execFileSync(program, line.split(" "), { encoding: "utf8" });
const ip = (line: string) => run("ip", line);

/** Creates an interface with addresses of both families whose other end never answers. */
function enterLink(): void {
  enterNamespace();
  ip("link add link0 type veth peer name link1");
  ip("link set link0 up");
  ip("link set link1 up");
  ip("address add 10.77.0.1/16 dev link0");
  ip("address add fd77::1/64 dev link0 nodad");
}

describe.skipIf(!canMakeNamespaces())("a refusal by this host", () => {
  const routes = [
    ["blackhole", "EINVAL"],
    ["prohibit", "EACCES"],
    ["unreachable", "EHOSTUNREACH"],
    ["throw", "ENETUNREACH"],
  ] as const;

  it("by a route of any type names the route, for either family", async () => {
    enterLink();
    for (const [number, [type, errno]] of routes.entries()) {
      ip(`route add ${type} 10.78.${number}.0/24`);
      ip(`-6 route add ${type} fd78:1${number}::/64`);
      for (const [to, prefix] of [
        [`10.78.${number}.1:7777`, `10.78.${number}.0/24`],
        [`[fd78:1${number}::1]:7777`, `fd78:1${number}::/64`],
      ] as const) {
        const { diagnosis, failures } = await connect(to);
        expect(failures, to).toEqual([{ phase: "connect", errno, count: 20 }]);
        expect(diagnosis.finding, to).toMatchObject({
          limit: "route",
          whose: "local",
          meaning: expect.stringContaining(`${type} ${prefix}`),
          fix: expect.stringContaining(`route del ${type} ${prefix}`),
        });
      }
    }
    // The longer prefix wins, and a single connection gets the same message.
    ip("route add blackhole 10.78.0.0/16");
    const { code, stderr } = await runCli(["connect", "10.78.1.1:7777"]);
    expect(stderr).toContain("EACCES, a route on this host refuses 10.78.1.1: prohibit 10.78.1.0/24");
    expect(code).toBe(1);
  });

  it("by a routing rule names the rule", async () => {
    enterLink();
    for (const [number, [type, errno]] of [
      ["blackhole", "EINVAL"],
      ["prohibit", "EACCES"],
      ["unreachable", "ENETUNREACH"],
    ].entries()) {
      ip(`rule add pref ${100 + number} to 10.77.${number}.0/24 ${type}`);
      const { diagnosis, failures } = await connect(`10.77.${number}.9:7777`);
      expect(failures[0]!.errno).toBe(errno);
      expect(diagnosis.finding).toMatchObject({
        limit: "route",
        whose: "local",
        meaning: expect.stringContaining(`${100 + number}: from all to 10.77.${number}.0/24 ${type}`),
        fix: expect.stringContaining(`ip rule del pref ${100 + number}`),
      });
    }
  });

  it("for lack of a route blames neither the peer nor the path", async () => {
    enterLink();
    expect((await connect("192.0.2.1:7777")).diagnosis.finding).toMatchObject({ limit: "route", whose: "local" });
  });
});

describe.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("a firewall rule on this host", () => {
  const filter = (hook: string, rule: string) => {
    run("nft", "add table inet guard");
    execFileSync("nft", [`add chain inet guard own { type filter hook ${hook} priority 0; }`]);
    execFileSync("nft", [`add rule inet guard own ${rule}`]);
  };

  it.each([
    "tcp dport 7777 reject",
    "tcp dport 7777 reject with tcp reset",
    "tcp dport 7777 reject with icmpx admin-prohibited",
    "tcp dport 7777 reject with icmpx no-route",
    "ip daddr 10.77.0.0/16 reject",
  ])("on output is named: %s", async (rule) => {
    enterLink();
    filter("output", rule);
    const { diagnosis } = await connect("10.77.9.9:7777", "--connect-timeout", "1500ms");
    expect(diagnosis.finding, JSON.stringify(diagnosis)).toMatchObject({
      limit: "firewall",
      whose: "local",
      meaning: expect.stringContaining("table inet guard, chain own (output): rule"),
      fix: expect.stringContaining("nft -a list chain inet guard own"),
    });
  });

  it("that drops on output shows in SYNs that could not be retransmitted", async () => {
    enterLink();
    filter("output", "ip daddr 10.77.9.9 drop");
    const { diagnosis, failures, evidence } = await connect("10.77.9.9:7777", "--connect-timeout", "1500ms");
    expect(failures).toEqual([{ phase: "connect", errno: "ETIMEDOUT", count: 20 }]);
    expect(evidence.deltas["TcpExt.TCPRetransFail"]).toBeGreaterThanOrEqual(20);
    expect(diagnosis.finding).toMatchObject({ limit: "firewall", whose: "local" });
  });

  it("that drops on input, in front of a local server, is shown", async () => {
    enterLink();
    listenRaw("127.0.0.1", 7777);
    filter("input", "tcp dport 7777 drop");
    const { diagnosis } = await connect("127.0.0.1:7777", "--connect-timeout", "300ms");
    expect(diagnosis.finding).toMatchObject({
      limit: "path",
      whose: "network",
      meaning: expect.stringContaining(
        "firewall rule on this host drops the SYNs: nftables table inet guard, chain own (input): rule 2",
      ),
    });
  });

  it("for another port is not blamed for a missing server", async () => {
    enterLink();
    filter("output", "tcp dport 9999 reject");
    expect((await connect("127.0.0.1:7777")).diagnosis.finding).toMatchObject({ limit: "listener", whose: "peer" });
  });
});

describe.skipIf(!canMakeNamespaces())("a refusal by a router", () => {
  it.each(["unreachable", "prohibit"])(
    "because of its %s route is attributed to the path, although the errno is the same",
    async (type) => {
      const router = makeNamespace();
      enterNamespace();
      ip("link add link0 type veth peer name link1");
      ip(`link set link1 netns ${router}`);
      ip("address add 10.77.0.1/24 dev link0");
      ip("link set link0 up");
      ip(`-n ${router} address add 10.77.0.2/24 dev link1`);
      ip(`-n ${router} link set link1 up`);
      run("ip", `netns exec ${router} sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0`);
      ip(`-n ${router} route add ${type} 10.99.0.0/16`);
      ip("route add default via 10.77.0.2");
      const { diagnosis, evidence, failures } = await connect(
        "10.99.0.1:7777",
        "-c",
        "5",
        "--connect-timeout",
        "2500ms",
      );
      expect(failures[0]!.errno).toBe("EHOSTUNREACH");
      expect(evidence.localPath?.failedAtOnce).toEqual({});
      expect(diagnosis.finding).toMatchObject({ whose: "network" });
    },
  );
});
