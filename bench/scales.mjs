// The sizes to measure at, as data: how many connections, over how many source ports, how often, and how long to look.

/**
 * @typedef {object} Scale
 * @property {string} name
 * @property {string} title
 * @property {number} connections
 * @property {number} portsPerSource source ports to use of each source address, from 1024 on
 * @property {number} rounds unless asked otherwise
 * @property {number} idleMs how long to watch the CPU while the connections are held
 * @property {number} deadlineMs for each process
 */

const ALL_PORTS = 65_535 - 1024 + 1;

/** @type {Record<string, Scale>} */
export const SCALES = {
  "19k": {
    name: "19k",
    title: "19,000 connections on one port",
    connections: 19_000,
    portsPerSource: ALL_PORTS,
    rounds: 5,
    idleMs: 1000,
    deadlineMs: 60_000,
  },
  "190k": {
    name: "190k",
    title: "190,000 connections on one port, 50,000 per source address",
    connections: 190_000,
    portsPerSource: 50_000,
    rounds: 1,
    idleMs: 5000,
    deadlineMs: 120_000,
  },
  "1m": {
    name: "1m",
    title: "1,000,000 connections on one port",
    connections: 1_000_000,
    portsPerSource: ALL_PORTS,
    rounds: 1,
    idleMs: 5000,
    deadlineMs: 300_000,
  },
  "2m": {
    name: "2m",
    title: "2,000,000 connections on one port",
    connections: 2_000_000,
    portsPerSource: ALL_PORTS,
    rounds: 1,
    idleMs: 5000,
    deadlineMs: 600_000,
  },
};
