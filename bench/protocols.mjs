// W9 to W12, protocols: WebSocket, TLS, HTTP and MQTT, each against the tools and libraries that speak it.
import { execFileSync } from "node:child_process";
import { OURS } from "./contenders.mjs";
import { RAMP_METRICS } from "./metrics.mjs";
import { runPair } from "./pair.mjs";
import { commandOf, firstLine, installed } from "./programs.mjs";
import { runRamp } from "./round.mjs";
import { SCALES } from "./scales.mjs";

const WS = "ws";
const PLAIN_EPOLL = "plain-epoll";
const PLAIN_AUTO = "plain-auto";
const WS_EPOLL = "ws-epoll";
const WS_AUTO = "ws-auto";
const C_TLS = "c-openssl";
const NODE_TLS = "node-tls";
const WRK = "wrk";
const MQTT_JS = "mqtt.js";
/** Number of concurrent handshakes of a pair with each side on its own core. */
const [SERVER_CORE, CLIENT_CORE] = ["0", "1"];

const HTTP_MS = 3000;
const HTTP_RATE = 10_000;
const PUBLISH_MS = 4000;
const MESSAGE_BYTES = 24;

/**
 * Returns a contender of fourtuple with these settings.
 *
 * @param {string} name
 * @param {string} settings
 * @param {Record<string, string>} env
 */
function ours(name, settings, env) {
  const set = ["env", ...Object.entries(env).map(([key, value]) => `${key}=${value}`)];
  return candidate(name, settings, 1024, (role) => [...set, ...commandOf("fourtuple", role)]);
}

/**
 * @param {string} name
 * @param {string} settings
 * @param {number} window
 * @param {(role: string) => string[]} commandFor
 * @param {{ isBounded?: boolean, version?: () => string }} [more]
 */
function candidate(
  name,
  settings,
  window,
  commandFor,
  { isBounded = false, version = () => `node ${process.version}` } = {},
) {
  const make = () => ({ version: version(), server: commandFor("server"), client: commandFor("client") });
  return { name, settings, window, isBounded, make };
}

/**
 * Confines each side of a contender to one core.
 *
 * @param {import("./contenders.mjs").Candidate} of
 */
function onOneCore({ make, ...rest }) {
  return {
    ...rest,
    make: () => {
      const made = make();
      firstLine("sh", "-c", "command -v taskset");
      return {
        ...made,
        server: ["taskset", "-c", SERVER_CORE, ...made.server],
        client: ["taskset", "-c", CLIENT_CORE, ...made.client],
      };
    },
  };
}

const WS_SIZES = ["19k", "100k"];

export const WEBSOCKETS = {
  name: "W9",
  title: "WebSocket: 19,000 and 100,000 connections, upgraded, greeted and held",
  rounds: 3,
  idleMs: 1000,
  baseline: `${PLAIN_EPOLL}@100k`,
  contenders: [
    candidate(
      `${WS}@19k`,
      "the package ws in two Node processes, without compression",
      64,
      (role) => commandOf(WS, role),
      {
        isBounded: true,
      },
    ),
    ...WS_SIZES.flatMap((size) => [
      ours(`${PLAIN_EPOLL}@${size}`, "fourtuple with plain TCP and engine: 'epoll'", { ENGINE: "epoll" }),
      ours(`${WS_EPOLL}@${size}`, "fourtuple with ws:// and engine: 'epoll'", { ENGINE: "epoll", SCHEME: "ws" }),
    ]),
    ours(`${PLAIN_AUTO}@100k`, "fourtuple with plain TCP", {}),
    ours(`${WS_AUTO}@100k`, "fourtuple with ws://", { SCHEME: "ws" }),
  ],
  metrics: { ...RAMP_METRICS, userBytes: { ...RAMP_METRICS.userBytes, isCompared: true } },
  run: runRamp,
  measures: [
    ...["client", "server"].map((side) => ({
      title: `user memory per connection, ${side}, 100,000`,
      wanted: { atMost: 150 },
      of: { metric: `${side}RssBytes`, contender: `${WS_EPOLL}@100k` },
    })),
    {
      title: "opening rate ÷ plain TCP's, epoll, 100,000",
      wanted: { atLeast: 0.7 },
      of: { metric: "ratePerSec", contender: `${WS_EPOLL}@100k`, against: `${PLAIN_EPOLL}@100k` },
    },
    {
      title: "opening rate ÷ plain TCP's, auto, 100,000",
      wanted: { atLeast: 0.7 },
      of: { metric: "ratePerSec", contender: `${WS_AUTO}@100k`, against: `${PLAIN_AUTO}@100k` },
    },
    {
      title: "opening rate ÷ ws's, 19,000",
      wanted: { atLeast: 4 },
      of: { metric: "ratePerSec", contender: `${WS_EPOLL}@19k`, against: `${WS}@19k` },
    },
    {
      title: "user memory, 100,000 ÷ ws's, 19,000",
      wanted: { atMost: 0.05 },
      of: { metric: "userBytes", contender: `${WS_EPOLL}@100k`, against: `${WS}@19k` },
    },
  ],
};

export const TLS = {
  name: "W10",
  title: "TLS 1.3, P-256: 5,000 connections, one core a side",
  rounds: 3,
  scale: { ...SCALES["5k"], idleMs: 100 },
  baseline: C_TLS,
  contenders: [
    candidate(
      C_TLS,
      "C over the host's OpenSSL, epoll, SSL_MODE_RELEASE_BUFFERS, no tickets",
      256,
      (role) => commandOf(C_TLS, role),
      {
        isBounded: true,
        version: () => firstLine("openssl", "version"),
      },
    ),
    candidate(NODE_TLS, "node:tls", 64, (role) => commandOf("node", `tls-${role}`), { isBounded: true }),
    { ...ours(OURS, "the library with tls://", { SCHEME: "tls" }), window: 256 },
  ].map(onOneCore),
  metrics: RAMP_METRICS,
  run: runRamp,
  measures: [
    {
      title: "handshakes/s ÷ C's",
      wanted: { atLeast: 0.9 },
      of: { metric: "ratePerSec", against: C_TLS },
    },
    {
      title: "handshakes/s ÷ node:tls's",
      wanted: { atLeast: 1.5 },
      of: { metric: "ratePerSec", against: NODE_TLS },
    },
    {
      title: "user memory per connection, client",
      wanted: { atMost: 20 * 1024 },
      of: { metric: "clientRssBytes" },
    },
    {
      title: "user memory per connection, server",
      wanted: { atMost: 16 * 1024 },
      of: { metric: "serverRssBytes" },
    },
  ],
};

export const HTTP = {
  name: "W11",
  title: "HTTP/1.1: 100 kept connections to nginx",
  rounds: 3,
  scale: { ...SCALES["1k"], name: "100", connections: 100 },
  baseline: WRK,
  contenders: [
    {
      name: WRK,
      settings: "wrk, one thread",
      make: () => ({ version: version("wrk", "-v"), server: nginx(), client: commandOf(WRK, "http-client") }),
    },
    {
      name: OURS,
      settings: "the library: connect({ to: 'http://…' }), engine: 'auto'",
      make: () => ({ version: version("nginx", "-v"), server: nginx(), client: commandOf(OURS, "http-client") }),
    },
  ],
  metrics: {
    ratePerSec: {
      label: "requests/s",
      isCompared: true,
      of: (/** @type {any} */ { requests, seconds }) => requests / seconds,
    },
    cpuUs: {
      label: "CPU/request, client (µs)",
      isCompared: true,
      of: (/** @type {any} */ { cpuSeconds, requests }) => (cpuSeconds / requests) * 1e6,
    },
    p50Us: {
      label: `p50 at ${HTTP_RATE / 1000}k/s (µs)`,
      of: (/** @type {any} */ { paced }) => paced?.p50Us ?? Number.NaN,
    },
    p99Us: {
      label: `p99 at ${HTTP_RATE / 1000}k/s (µs)`,
      of: (/** @type {any} */ { paced }) => paced?.p99Us ?? Number.NaN,
    },
  },
  run: runHttp,
  measures: [{ title: "requests/s ÷ wrk's", wanted: { atLeast: 0.9 }, of: { metric: "ratePerSec", against: WRK } }],
};

const MQTT_SIZES = ["100", "10k"];

export const MQTT = {
  name: "W12",
  title: `MQTT 3.1.1: messages of ${MESSAGE_BYTES} bytes with quality of service 0 to mosquitto`,
  rounds: 3,
  baseline: `${MQTT_JS}@100`,
  contenders: MQTT_SIZES.flatMap((size) => [
    {
      name: `${MQTT_JS}@${size}`,
      settings: "MQTT.js, one process, each client's messages written together",
      make: () => ({ version: mosquittoVersion(), server: mosquitto(), client: mqttJs() }),
    },
    {
      name: `${OURS}@${size}`,
      settings: "the library: connect({ to: 'mqtt://…', publish }), engine: 'auto'",
      make: () => ({ version: mosquittoVersion(), server: mosquitto(), client: commandOf(OURS, "publish-client") }),
    },
  ]),
  metrics: {
    ratePerSec: {
      label: "messages/s, counted by the broker",
      isCompared: true,
      of: (/** @type {any} */ { received, receivedSeconds }) => received / receivedSeconds,
    },
    cpuUs: {
      label: "CPU/message, client (µs)",
      isCompared: true,
      of: (/** @type {any} */ { cpuSeconds, sent }) => (cpuSeconds / sent) * 1e6,
    },
  },
  run: runMqtt,
  measures: MQTT_SIZES.flatMap((size) => [
    {
      title: `messages/s ÷ MQTT.js's, ${size} connections`,
      wanted: { atLeast: 3 },
      of: { metric: "ratePerSec", contender: `${OURS}@${size}`, against: `${MQTT_JS}@${size}` },
    },
    {
      title: `  client CPU per message ÷ MQTT.js's, ${size} connections`,
      wanted: { atMost: 1 / 3 },
      of: { metric: "cpuUs", contender: `${OURS}@${size}`, against: `${MQTT_JS}@${size}` },
    },
  ]),
};

/**
 * @param {import("./contenders.mjs").Contender} contender
 * @param {number} round
 */
function runHttp(contender, round) {
  const { connections } = /** @type {import("./scales.mjs").Scale} */ (contender.scale);
  return runPair(contender, round, [connections], async ({ startClient, end }) => {
    const client = await startClient();
    client.write(`${HTTP_MS}\n`);
    const figures = JSON.parse(await client.expectLine("the requests"));
    if (figures.failed || !(figures.requests > 0)) throw new Error(`requests failed: ${JSON.stringify(figures)}`);
    let paced;
    if (contender.name === OURS) {
      client.write(`${HTTP_MS} ${HTTP_RATE}\n`);
      paced = JSON.parse(await client.expectLine("the requests at a rate"));
    }
    await end(client);
    return { ...figures, paced };
  });
}

/**
 * @param {import("./contenders.mjs").Contender} contender
 * @param {number} round
 */
function runMqtt(contender, round) {
  const { connections } = /** @type {import("./scales.mjs").Scale} */ (contender.scale);
  return runPair(contender, round, [connections, MESSAGE_BYTES, PUBLISH_MS], async ({ server, startClient, end }) => {
    const client = await startClient();
    const count = async () => {
      server.write("count\n");
      return JSON.parse(await server.expectLine("the broker's count"));
    };
    client.write("go\n");
    await client.expectLine("the beginning");
    const before = await count();
    const figures = JSON.parse(await client.expectLine("the end"));
    const after = await count();
    await end(client);
    const received = after.messages - before.messages;
    if (!(received > 0)) throw new Error("the broker reported no messages");
    return { ...figures, received, receivedSeconds: (after.ms - before.ms) / 1000 };
  });
}

const nginx = () => {
  firstLine("sh", "-c", "command -v nginx || { echo nginx not found >&2; exit 1; }");
  return commandOf("nginx", "server");
};
const mosquitto = () => commandOf("mosquitto", "server");
const mqttJs = () => {
  installed("mqtt");
  return commandOf("mqttjs", "publish-client");
};
const mosquittoVersion = () => version("mosquitto", "-h");

/**
 * Returns the first line that a program prints about itself, on standard output or error and with any exit code.
 *
 * @param {string} program
 * @param {string} option
 */
function version(program, option) {
  firstLine("sh", "-c", `command -v ${program} || { echo ${program} not found >&2; exit 1; }`);
  return execFileSync("sh", ["-c", `${program} ${option} 2>&1 || true`], { encoding: "utf8" }).split("\n")[0] ?? "";
}
