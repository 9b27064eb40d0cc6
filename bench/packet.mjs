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
/** The client's device is in the server's namespace, so that no packet crosses the veth pair or is forwarded. */
const DIRECT = "fourtuple-packet-direct";
const WINDOW = 1024;
const HOLDING = { server: "server", client: "client" };
/** @type {Record<string, string>} */
const SETTINGS = {
  [OURS]: "the library, with kernel sockets at both sides",
  [PACKET]: "the client with transport: 'packet'; its packets are forwarded to the veth pair and back",
  [DIRECT]: "the same, but in the server's network namespace, so that nothing is forwarded",
};
const ECHO = { server: "echo-server", client: "echo-client" };

/**
 * @param {string} name
 * @param {{ server: string, client: string }} roles
 * @returns {import("./contenders.mjs").Candidate}
 */
function contender(name, roles) {
  const bare = name.split("@")[0] ?? name;
  const place = ["env", `SERVER_IP=${SERVER_IP}`];
  const transport = { [PACKET]: ["TRANSPORT=packet"], [DIRECT]: ["TRANSPORT=packet-direct"] }[bare] ?? [];
  return {
    name,
    settings: /** @type {string} */ (SETTINGS[bare]),
    window: WINDOW,
    make: () => {
      const { version, server, client } = pairOf(OURS, roles);
      return {
        version,
        server: [...place, ...server],
        client: [...place, ...transport, ...client],
        isDirect: bare === DIRECT,
      };
    },
  };
}

/**
 * @param {import("./contenders.mjs").Contender} contender
 * @param {number} round
 * @param {import("./sockets.mjs").Place} place
 */
function runOpening(contender, round, place) {
  return runRamp(contender, round, contender.isDirect ? { ...place, client: place.server } : place);
}

/** @type {import("./workloads.mjs").Workload} */
export const PACKET_OPENING = {
  name: "W14",
  title: "clients without kernel sockets, over veth: opening greeted connections",
  rounds: 5,
  scale: SCALES["190k"],
  atMost: SCALES["190k"]?.connections,
  prepare: openNamespaces,
  run: runOpening,
  baseline: OURS,
  contenders: [OURS, PACKET, DIRECT, `${OURS}@1m`, `${PACKET}@1m`, `${DIRECT}@1m`, `${DIRECT}@4m`].map((name) =>
    contender(name, HOLDING),
  ),
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
    ...["", "@1m"].flatMap((size) =>
      [PACKET, DIRECT].flatMap((name) => {
        const pair = { contender: `${name}${size}`, against: `${OURS}${size}` };
        const where = `${size.slice(1) || "190k"}, ${name === DIRECT ? "direct" : "forwarded"}`;
        return [
          { title: `${where}: rate ÷ kernel clients'`, wanted: { atLeast: 2 }, of: { ...pair, metric: "ratePerSec" } },
          {
            title: `${where}: CPU, both ÷ kernel clients'`,
            wanted: { atMost: 0.5 },
            of: { ...pair, metric: "allCpuUs" },
          },
        ];
      }),
    ),
    ...[
      { size: "1m", title: "user CPU per connection, client (µs)", wanted: { atMost: 1.5 }, metric: "clientUserUs" },
      { size: "1m", title: "teardown", wanted: { atMost: 15 }, metric: "teardownSeconds" },
      { size: "4m", title: "RSS per connection, client", wanted: { atMost: 32 }, metric: "clientRssBytes" },
      { size: "4m", title: "CPU while holding, client", wanted: { atMost: 0.02 }, metric: "clientIdleShare" },
      { size: "4m", title: "teardown", wanted: { atMost: 60 }, metric: "teardownSeconds" },
    ].map(({ size, title, wanted, metric }) => ({
      title: `${size}, direct: ${title}`,
      wanted,
      of: { metric, contender: `${DIRECT}@${size}` },
    })),
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
