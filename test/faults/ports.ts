// Scenarios for limits on source ports.
import { makeNamespace } from "../support/namespace.js";
import { startServerProcess } from "../support/peers.js";
import { setSysctlIn } from "../support/sysctl.js";
import type { Scenario } from "./scenario.js";
import { serveIn } from "./servers.js";

export const PORTS: readonly Scenario[] = [
  {
    name: "narrow ip_local_port_range, kernel chooses ports",
    programs: ["ip"],
    limit: "ip-local-port-range",
    whose: "local",
    isPredictable: true,
    async arrange() {
      const namespace = makeNamespace();
      setSysctlIn(namespace, "net.ipv4.ip_local_port_range", "40000 40499");
      const { at, testbed } = await serveIn(namespace);
      return { at, load: ["-c", "1200", "--source-port", "kernel", "--source-ip", "127.0.0.2"], testbed };
    },
  },
  {
    name: "reserved ports, kernel chooses ports",
    programs: ["ip"],
    limit: "ip-local-reserved-ports",
    whose: "local",
    isPredictable: true,
    async arrange() {
      const namespace = makeNamespace();
      setSysctlIn(namespace, "net.ipv4.ip_local_port_range", "40000 41999");
      setSysctlIn(namespace, "net.ipv4.ip_local_reserved_ports", "40000-41399");
      const { at, testbed } = await serveIn(namespace);
      return { at, load: ["-c", "1500", "--source-port", "kernel", "--source-ip", "127.0.0.2"], testbed };
    },
  },
  {
    name: "one source address, explicit ports",
    limit: "source-ports",
    whose: "local",
    isPredictable: true,
    async arrange() {
      const { ip, port } = await startServerProcess({});
      return { at: `${ip}:${port}`, load: ["-c", "2k", "--source-ip", "127.0.0.2", "--source-port", "20000-20999"] };
    },
  },
];
