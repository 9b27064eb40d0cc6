// Tests `exporter --all-netns` with network namespaces of its own. Others may exist beside them.
import { spawnSync } from "node:child_process";
import { release } from "node:os";
import { describe, expect, it } from "vitest";
import { ownAddress } from "../../support/address.js";
import { ROOT } from "../../support/library.js";
import { expectDocumented } from "../../support/metric-tables.js";
import { canMakeNamespaces, makeNamespace } from "../../support/namespace.js";
import { hasProgram, runCli, start, startCli } from "../../support/process.js";
import { sampleOf, scrape } from "../../support/scrape.js";

const PORT = 7777;
const CONNECTIONS = 30;
/** Holds connections from a range of 100 ports, both ends in the same process. */
const HOLD = `const net = require("node:net");
require("node:fs").writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", "50000 50099");
let open = 0;
const server = net.createServer(() => ++open === ${CONNECTIONS} && console.log("held"));
server.listen({ port: ${PORT}, host: "127.0.0.1", backlog: 100 }, () => {
  for (let i = 0; i < ${CONNECTIONS}; i++) net.connect(${PORT}, "127.0.0.1");
});`;

/** Holds ports that are bound but not connected. */
const BIND = `const { bindTo, openTcp } = await import("${ROOT}dist/linux/syscalls/socket.js");
const { SocketAddress } = await import("${ROOT}dist/linux/syscalls/sockaddr.js");
const { parseIp } = await import("${ROOT}dist/util/address.js");
for (let i = 0; i < ${CONNECTIONS}; i++) bindTo(openTcp(4), new SocketAddress(parseIp("127.0.0.1"), 0));
console.log("bound");
setInterval(() => undefined, 1e6);`;

/** Rules for which the kernel tracks connections. */
const TRACKING = "table ip t { chain c { type filter hook input priority 0; ct state invalid drop; }; }";

/** Since Linux 6.8, sock_diag lists them. */
function listsBoundSockets(): boolean {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 8);
}

async function startExporter(): Promise<string> {
  const exporter = startCli(["exporter", "--all-netns", "--listen", `${ownAddress()}:0`, "--top", "1000"]);
  const [, url] = await exporter.prints(/metrics on (http:\S+)/);
  return url!;
}

/** @param wrapper command that runs it, such as one that gives it a host name of its own */
async function hold(namespace: string, wrapper: readonly string[] = []): Promise<void> {
  await start("ip", ["netns", "exec", namespace, ...wrapper, process.execPath, "-e", HOLD]).prints(/held/);
}

describe.skipIf(!canMakeNamespaces())("exporter --all-netns", () => {
  it("adds the label netns to series of other namespaces, with a container's host name", async () => {
    const [plain, hosted] = [makeNamespace(), makeNamespace()];
    spawnSync("ip", ["netns", "exec", plain, "nft", "-f", "-"], { input: TRACKING });
    const pod = `pod-${hosted}`;
    await Promise.all([
      hold(plain),
      hold(hosted, ["unshare", "--uts", "sh", "-c", `hostname ${pod} && exec "$0" "$@"`]),
    ]);
    const url = await startExporter();
    const text = await scrape(url);
    expectDocumented(text);
    const pair = { source: "127.0.0.1", destination: "127.0.0.1", destination_port: `${PORT}` };
    const conntrack = { limit: "nf-conntrack-max", unit: "entries", scope: "namespace" };
    for (const netns of [plain, pod]) {
      const value = (name: string, labels: Record<string, string> = {}) =>
        sampleOf(text, `fourtuple_${name}`, { netns, ...labels });
      expect(value("source_ports_in_use", pair)).toBe(CONNECTIONS);
      expect(value("source_ports_pressure_ratio", pair)).toBe(CONNECTIONS / 100);
      expect(value("accept_queue_capacity", { listener: "127.0.0.1", port: `${PORT}` })).toBe(101);
      expect(value("tcp_sockets", { state: "ESTABLISHED" })).toBe(2 * CONNECTIONS);
      expect(value("ephemeral_ports")).toBe(100);
      if (hasProgram("nft")) expect(value("limit_used", conntrack)).toBe(netns === plain ? CONNECTIONS : 0);
    }
    // The exporter's own namespace has no such label.
    expect(sampleOf(text, "fourtuple_ephemeral_ports")).toBeGreaterThan(0);
    expect(text).toMatch(new RegExp(`^fourtuple_netns_info\\{netns="${pod}",inode="\\d+",name="${hosted}",`, "m"));
    expect(sampleOf(text, "fourtuple_netns_read")).toBeGreaterThanOrEqual(3);
  });

  it.skipIf(!listsBoundSockets())(
    "has ports that are bound but not connected, however many sockets the host has",
    async () => {
      const namespace = makeNamespace();
      const bind = ["--input-type=module", "-e", BIND];
      await start("ip", ["netns", "exec", namespace, process.execPath, ...bind]).prints(/bound/);
      const text = await scrape(await startExporter());
      const labels = { netns: namespace, source: "127.0.0.1" };
      expect(sampleOf(text, "fourtuple_bound_ports_in_use", labels)).toBe(CONNECTIONS);
    },
  );

  it("needs privileges, and says so before it listens", async () => {
    const user = start("setpriv", [
      ...["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"],
      ...[process.execPath, "dist/cli/main.js", "exporter", "--all-netns", "--listen", `${ownAddress()}:0`],
    ]);
    const { code, stdout, stderr } = await user.exited();
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(/--all-netns: .*needs CAP_SYS_ADMIN/);
  });

  it("reads one namespace or all, not both", async () => {
    expect((await runCli(["exporter", "--all-netns", "--netns", "x"])).code).toBe(2);
  });
});
