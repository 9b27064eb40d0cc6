// W14 and W15, clients without kernel sockets (--transport packet) compared with kernel clients: opening greeted
// connections, and messages. The server has kernel sockets, in a network namespace of its own.
import { OURS } from "./contenders.mjs";
import { MESSAGES, runMessages } from "./messages.mjs";
import { RAMP_METRICS } from "./metrics.mjs";
import { pairOf } from "./programs.mjs";
import { runRamp } from "./round.mjs";
import { SCALES } from "./scales.mjs";
import { openNamespaces, SERVER_IP } from "./two-namespaces.mjs";

const PACKET = "fourtuple-packet";
const WINDOW = 1024;
const HOLDING = { server: "server", client: "client" };
const ECHO = { server: "echo-server", client: "echo-client" };

/**
 * @param {string} name
 * @param {{ server: string, client: string }} roles
 * @returns {import("./contenders.mjs").Candidate}
 */
function contender(name, roles) {
  const isPacket = name.startsWith(PACKET);
  const place = ["env", `SERVER_IP=${SERVER_IP}`];
  return {
    name,
    settings: isPacket ? "the same with transport: 'packet' at the client" : "the library, with kernel sockets",
    window: WINDOW,
    make: () => {
      const { version, server, client } = pairOf(OURS, roles);
      const transport = isPacket ? ["TRANSPORT=packet"] : [];
      return { version, server: [...place, ...server], client: [...place, ...transport, ...client] };
    },
  };
}

/** @type {import("./workloads.mjs").Workload} */
export const PACKET_OPENING = {
  name: "W14",
  title: "clients without kernel sockets, over veth: opening greeted connections",
  rounds: 5,
  scale: SCALES["190k"],
  atMost: SCALES["190k"]?.connections,
  prepare: openNamespaces,
  run: runRamp,
  baseline: OURS,
  contenders: [OURS, PACKET, `${OURS}@1m`, `${PACKET}@1m`, `${PACKET}@4m`].map((name) => contender(name, HOLDING)),
  metrics: {
    ...RAMP_METRICS,
    clientUserUs: {
      label: "  user, client, after start-up (µs)",
      of: ({ cpuTimes, cpuTimesBefore, established }) =>
        ((cpuTimes.client.user - cpuTimesBefore.client.user) / established) * 1e6,
    },
    allCpuUs: {
      label: "CPU/connection (µs), both and softirqs",
      isCompared: true,
      of: ({ cpuSeconds, softirqSeconds, established }) =>
        ((cpuSeconds.client + cpuSeconds.server + softirqSeconds) / established) * 1e6,
    },
  },
  measures: [
    ...["", "@1m"].flatMap((size) => {
      const pair = { contender: `${PACKET}${size}`, against: `${OURS}${size}` };
      const where = size === "" ? "190k" : "1m";
      return [
        {
          title: `${where}: rate ÷ that of kernel clients`,
          wanted: { atLeast: 2 },
          of: { ...pair, metric: "ratePerSec" },
        },
        {
          title: `${where}: CPU of both ÷ that with kernel clients`,
          wanted: { atMost: 0.5 },
          of: { ...pair, metric: "allCpuUs" },
        },
      ];
    }),
    ...[
      { title: "1m: user CPU per connection, client (µs)", wanted: { atMost: 1.5 }, metric: "clientUserUs" },
      { title: "1m: RSS per connection, client", wanted: { atMost: 32 }, metric: "clientRssBytes" },
      { title: "1m: CPU while holding, client", wanted: { atMost: 0.02 }, metric: "clientIdleShare" },
      { title: "1m: teardown (s)", wanted: { atMost: 15 }, metric: "teardownSeconds" },
    ].map(({ title, wanted, metric }) => ({ title, wanted, of: { metric, contender: `${PACKET}@1m` } })),
    ...[
      { title: "4m: CPU while holding, client", wanted: { atMost: 0.02 }, metric: "clientIdleShare" },
      { title: "4m: teardown (s)", wanted: { atMost: 60 }, metric: "teardownSeconds" },
    ].map(({ title, wanted, metric }) => ({ title, wanted, of: { metric, contender: `${PACKET}@4m` } })),
  ],
};

/** @type {import("./workloads.mjs").Workload} */
export const PACKET_MESSAGES = {
  ...MESSAGES,
  name: "W15",
  title: "clients without kernel sockets, over veth: messages over 10,000 connections, echoed",
  baseline: OURS,
  contenders: [OURS, PACKET].map((name) => contender(name, ECHO)),
  prepare: openNamespaces,
  run: runMessages,
  measures: [
    {
      title: "highest rate ÷ that of kernel clients",
      wanted: { atLeast: 1 },
      of: { metric: "highestPerSec", contender: PACKET, against: OURS },
    },
    {
      title: "p99 at 20k/s ÷ that of kernel clients",
      wanted: { atMost: 1.3 },
      of: { metric: "p99Us", contender: PACKET, against: OURS },
    },
  ],
};
