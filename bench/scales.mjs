// Sizes to measure at, as data: number of connections, source ports, rounds, and observation time.

/**
 * @typedef {object} Scale
 * @property {string} name
 * @property {number} connections
 * @property {number} portsPerSource source ports to use per source address, starting at 1024
 * @property {number} [rounds] default maximum
 * @property {number} idleMs time for which to observe CPU use while the connections are held
 * @property {number} deadlineMs deadline for each process
 */

const ALL_PORTS = 65_535 - 1024 + 1;
const SMALL = { portsPerSource: ALL_PORTS, idleMs: 1000, deadlineMs: 60_000 };
const MIDDLE = { portsPerSource: ALL_PORTS, rounds: 3, idleMs: 5000, deadlineMs: 120_000 };
const LARGE = { portsPerSource: ALL_PORTS, rounds: 1, idleMs: 5000, deadlineMs: 300_000 };

/** @type {Record<string, Scale>} */
export const SCALES = {
  100: { ...SMALL, name: "100", connections: 100 },
  "1k": { ...SMALL, name: "1k", connections: 1000 },
  "5k": { ...SMALL, name: "5k", connections: 5000 },
  "10k": { ...SMALL, name: "10k", connections: 10_000 },
  "19k": { ...SMALL, name: "19k", connections: 19_000 },
  "50k": { ...MIDDLE, name: "50k", connections: 50_000 },
  "100k": { ...MIDDLE, name: "100k", connections: 100_000 },
  "190k": { ...MIDDLE, name: "190k", connections: 190_000 },
  "500k": { ...LARGE, name: "500k", connections: 500_000 },
  "1m": { ...LARGE, name: "1m", connections: 1_000_000 },
  "2m": { ...LARGE, name: "2m", connections: 2_000_000, deadlineMs: 600_000 },
  "4m": { ...LARGE, name: "4m", connections: 4_000_000, idleMs: 20_000, deadlineMs: 900_000 },
};

/**
 * The scale of W2. With more connections per source address, the kernel's search for a port would dominate.
 */
export const DENSE = { ...SCALES["190k"], portsPerSource: 50_000 };
