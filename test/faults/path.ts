// Scenarios in which packets are lost: a firewall, and a full connection tracking table.
import { execFileSync } from "node:child_process";
import { makeNamespace } from "../support/namespace.js";
import { setSysctl } from "../support/sysctl.js";
import { type Scenario, startAt } from "./scenario.js";
import { serveIn } from "./servers.js";

const SOURCES = 1500;

export const PATH: readonly Scenario[] = [
  {
    name: "neighbour table, many sources on the server's link",
    programs: ["ip"],
    limit: "gc-thresh3",
    whose: "local",
    isPredictable: true,
    async arrange() {
      const [server, client] = [makeNamespace(), makeNamespace()];
      join(server, client);
      const sources = Array.from({ length: SOURCES }, (_, i) => `10.77.${1 + Math.floor(i / 250)}.${1 + (i % 250)}`);
      const commands = sources.map((source) => `address add ${source}/16 dev eth0`).join("\n");
      execFileSync("ip", ["-n", client, "-batch", "-"], { input: commands });
      // The setting applies to every namespace of the host, so it gets the usual default.
      setSysctl("net.ipv4.neigh.default.gc_thresh3", "1024");
      const at = "10.77.0.1:7777";
      await startAt({ prefix: ["ip", "netns", "exec", server] }, ["serve", at, "--log", "none"]).prints(/listening on/);
      return {
        at,
        load: ["-c", `${SOURCES}`, "--source-ip", sources.join(), "--source-port", "kernel"],
        run: ["--connect-timeout", "1500ms", "--authorized"],
        testbed: { prefix: ["ip", "netns", "exec", client], namespace: client },
      };
    },
  },
  {
    name: "a firewall that drops packets",
    programs: ["ip", "nft"],
    limit: "path",
    whose: "network",
    isPredictable: false,
    async arrange() {
      const namespace = makeNamespace();
      addRules(namespace, "tcp dport 7777 drop");
      const { at, testbed } = await serveIn(namespace);
      return { at, load: ["-c", "100"], run: ["--connect-timeout", "1500ms"], testbed };
    },
  },
  {
    name: "conntrack's maximum",
    programs: ["ip", "nft"],
    limit: "nf-conntrack-max",
    whose: "network",
    isPredictable: true,
    async arrange() {
      const namespace = makeNamespace();
      addRules(namespace, "ct state new accept");
      const { at, testbed } = await serveIn(namespace);
      // The setting is host-wide and applies to every namespace; no other connection is tracked here.
      setSysctl("net.netfilter.nf_conntrack_max", "1000");
      return { at, load: ["-c", "1500"], run: ["--connect-timeout", "1500ms"], testbed };
    },
  },
];

/** Connects two namespaces by a veth pair, as 10.77.0.1 and 10.77.0.2. */
function join(server: string, client: string): void {
  const wire = ["type", "veth", "peer", "name", "eth0", "netns", client];
  execFileSync("ip", ["link", "add", "eth0", "netns", server, ...wire]);
  for (const [namespace, address] of [
    [server, "10.77.0.1/16"],
    [client, "10.77.0.2/16"],
  ] as const) {
    execFileSync("ip", ["-n", namespace, "address", "add", address, "dev", "eth0"]);
    execFileSync("ip", ["-n", namespace, "link", "set", "eth0", "up"]);
  }
}

function addRules(namespace: string, rule: string): void {
  const rules = `table inet t { chain in { type filter hook input priority 0; policy accept; ${rule}; }; }`;
  execFileSync("ip", ["netns", "exec", namespace, "nft", rules]);
}
