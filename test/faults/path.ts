// Packets that do not arrive: a firewall, and connection tracking that is full.
import { execFileSync } from "node:child_process";
import { makeNamespace } from "../support/namespace.js";
import { setSysctl } from "../support/sysctl.js";
import type { Scenario } from "./scenario.js";
import { serveIn } from "./servers.js";

export const PATH: readonly Scenario[] = [
  {
    name: "packets dropped by a firewall",
    programs: ["ip", "nft"],
    limit: "path",
    whose: "the path",
    isPredictable: false,
    async arrange() {
      const namespace = makeNamespace();
      addRules(namespace, "tcp dport 7777 drop");
      const { at, place } = await serveIn(namespace);
      return { at, load: ["-c", "100"], run: ["--connect-timeout", "1500ms"], place };
    },
  },
  {
    name: "conntrack's maximum",
    programs: ["ip", "nft"],
    limit: "nf-conntrack-max",
    whose: "the path",
    isPredictable: true,
    async arrange() {
      const namespace = makeNamespace();
      addRules(namespace, "ct state new accept");
      const { at, place } = await serveIn(namespace);
      // It is the host's, and holds in every namespace; nothing else is tracked here.
      setSysctl("net.netfilter.nf_conntrack_max", "1000");
      return { at, load: ["-c", "1500"], run: ["--connect-timeout", "1500ms"], place };
    },
  },
];

function addRules(namespace: string, rule: string): void {
  const rules = `table inet t { chain in { type filter hook input priority 0; policy accept; ${rule}; }; }`;
  execFileSync("ip", ["netns", "exec", namespace, "nft", rules]);
}
