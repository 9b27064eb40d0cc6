// Workloads W1 to W15 as data: contenders, metrics and the targets of fourtuple.
import { CHURN } from "./churn.mjs";
import {
  BASELINE,
  BUN,
  C_URING,
  GO,
  NODE,
  NODE_ONE_SOURCE,
  NOOP,
  OURS,
  OURS_EPOLL,
  OURS_KERNEL_PORTS,
  OURS_URING,
} from "./contenders.mjs";
import { MESSAGES } from "./messages.mjs";
import { RAMP_METRICS } from "./metrics.mjs";
import { PACKET_MESSAGES, PACKET_OPENING } from "./packet.mjs";
import { SOCKET_TABLE } from "./ports.mjs";
import { HTTP, MQTT, TLS, WEBSOCKETS } from "./protocols.mjs";
import { READING } from "./readings.mjs";
import { runRamp } from "./round.mjs";
import { DENSE, SCALES } from "./scales.mjs";
import { fileContenders, fileMeasures } from "./single-file.mjs";
import { START_UP } from "./startup.mjs";

/**
 * @typedef {object} Metric
 * @property {string} label
 * @property {(round: any) => number} of computes the value from a successful round
 * @property {(value: number) => string} [format]
 * @property {boolean} [isCompared] shown for each round, and as ratios
 */

/**
 * @typedef {object} Workload
 * @property {string} name
 * @property {string} title
 * @property {number} rounds default number of rounds
 * @property {(string | import("./contenders.mjs").Candidate)[]} contenders names, or candidates that run only here;
 *   "name@size" runs at its own size
 * @property {import("./scales.mjs").Scale} [scale] scale of contenders without a size
 * @property {number} [atMost] contenders of a larger size are left out by default
 * @property {number} [idleMs] observation time, in place of the scale's
 * @property {number} [connections] connections in each round, if there is no scale
 * @property {string} [baseline] contender that all are compared with; the C baseline where it runs
 * @property {Record<string, Metric>} metrics
 * @property {import("./measures.mjs").Measure[]} [measures]
 * @property {(conditions: { atMost: number }) => Promise<any>} [prepare] called before the first round; close() undoes
 *   it
 * @property {(contender: import("./contenders.mjs").Contender, round: number, prepared: any) => Promise<any>} run runs
 *   a round and returns plain data, with `error` on failure
 * @property {(report: any, folder: string) => Promise<string>} [draw] draws a picture of the report and returns its
 *   path
 */

const ramp = { metrics: RAMP_METRICS, run: runRamp };
const fewDescriptors = (/** @type {{ nofileHard: number }} */ { nofileHard }) => nofileHard < SCALES["1m"].connections;
const MANY_ONLY = (/** @type {any} */ machine) =>
  fewDescriptors(machine) ? "not asked: this limit of descriptors is lower" : undefined;
const FEW_ONLY = (/** @type {any} */ machine) =>
  fewDescriptors(machine) ? undefined : "not asked: this limit of descriptors is higher";
const MILLION = `${OURS}@1m`;

/** @type {Workload[]} */
const LIST = [
  {
    ...ramp,
    name: "W1",
    title: "19,000 connections on one port, greeted",
    rounds: 5,
    scale: SCALES["19k"],
    baseline: BASELINE,
    contenders: [
      BASELINE,
      C_URING,
      GO,
      NODE,
      NODE_ONE_SOURCE,
      BUN,
      "tcpkali",
      "wrk",
      NOOP,
      OURS,
      OURS_EPOLL,
      OURS_URING,
      ...fileContenders(),
    ],
    measures: [
      ...[
        { atLeast: 1, against: BASELINE, whose: "the C baseline's" },
        { atLeast: 1.5, against: GO, whose: "Go's" },
        { atLeast: 1.2, against: BUN, whose: "Bun's" },
      ].flatMap(({ atLeast, against, whose }) => [
        { title: `rate ÷ ${whose}`, wanted: { atLeast }, of: { metric: "ratePerSec", against } },
        // The others begin at once, so also show fourtuple's thread start, which its ramp does not include.
        {
          title: `  time with thread start ÷ ${whose}`,
          wanted: { atMost: 1 / atLeast },
          of: { metric: "timeUs", against },
        },
      ]),
      {
        title: "rate ÷ Node net's with a source address",
        wanted: { atLeast: 25 },
        of: { metric: "ratePerSec", against: NODE_ONE_SOURCE },
      },
      {
        title: "CPU per connection ÷ the C baseline's",
        wanted: { atMost: 1.1 },
        of: { metric: "cpuUs", against: BASELINE },
      },
      ...fileMeasures(),
    ],
  },
  {
    ...ramp,
    name: "W2",
    title: "190,000 connections on one port, 50,000 per source address",
    rounds: 1,
    scale: DENSE,
    baseline: OURS_KERNEL_PORTS,
    contenders: [OURS_KERNEL_PORTS, BASELINE, GO, NODE, OURS],
    measures: [
      {
        title: "rate ÷ the same with the kernel's choice of ports (left after 90 s: at least this)",
        wanted: { atLeast: 20 },
        of: { metric: "ratePerSec", against: OURS_KERNEL_PORTS },
      },
    ],
  },
  {
    ...ramp,
    name: "W3",
    title: "1,000,000 and 2,000,000 connections on one port, beside 19,000",
    rounds: 1,
    baseline: `${OURS}@19k`,
    contenders: [
      `${OURS}@19k`,
      `${BASELINE}@1m`,
      `${C_URING}@1m`,
      MILLION,
      `${OURS_EPOLL}@1m`,
      `${OURS_URING}@1m`,
      `${OURS}@2m`,
      ...fileContenders("1m"),
    ],
    measures: [
      {
        // Based on the ramp without thread start, as in W1. The inverse of a ratio of rates is a ratio of times.
        title: "1m: time per connection ÷ that of 19k",
        wanted: { atMost: 1.15 },
        of: { metric: "ratePerSec", contender: `${OURS}@19k`, against: MILLION },
      },
      {
        title: "1m: whole system per connection (MemAvailable)",
        wanted: { atMost: 7000 },
        of: { metric: "systemBytes", contender: MILLION },
      },
      ...[
        { atMost: 300, where: "under a limit of 20,000", obstacle: FEW_ONLY },
        { atMost: 64, where: "without that limit", obstacle: MANY_ONLY },
      ].flatMap(({ atMost, where, obstacle }) =>
        ["client", "server"].map((side) => ({
          title: `1m: user memory per connection, ${side}, ${where}`,
          wanted: { atMost },
          of: { metric: `${side}RssBytes`, contender: MILLION },
          obstacle,
        })),
      ),
      ...fileMeasures("1m"),
    ],
  },
  {
    ...ramp,
    name: "W4",
    title: "holding: memory per connection, CPU while idle",
    rounds: 1,
    idleMs: 20_000,
    baseline: `${BASELINE}@19k`,
    contenders: [...[BASELINE, GO, NODE, BUN, NOOP, OURS].map((name) => `${name}@19k`), MILLION],
    measures: [
      {
        title: "1m: CPU while idle, both sides together",
        wanted: { under: 0.005 },
        of: { metric: "idleShare", contender: MILLION },
      },
    ],
  },
  MESSAGES,
  CHURN,
  SOCKET_TABLE,
  READING,
  START_UP,
  WEBSOCKETS,
  TLS,
  HTTP,
  MQTT,
  PACKET_OPENING,
  PACKET_MESSAGES,
];

export const WORKLOADS = Object.fromEntries(LIST.map((workload) => [workload.name, workload]));
