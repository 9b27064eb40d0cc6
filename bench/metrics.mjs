// What is computed from a round, metric by metric: its name in words, how it is written, and where it comes from.
import { formatBytes, formatNumber, formatPercent, formatSeconds } from "./format.mjs";

/**
 * @typedef {object} Metric
 * @property {string} key
 * @property {string} label
 * @property {(value: number) => string} format
 * @property {(round: any) => number} of a round that ended well
 */

/** @type {Metric[]} */
export const METRICS = [
  {
    key: "ratePerSec",
    label: "connections/s, ramp",
    format: formatNumber,
    of: ({ established, seconds }) => established / seconds,
  },
  {
    key: "rateWithSetupPerSec",
    label: "connections/s, with thread start",
    format: formatNumber,
    of: ({ established, seconds, setupSeconds = 0 }) => established / (seconds + setupSeconds),
  },
  {
    key: "outsideRatePerSec",
    label: "connections/s, seen from outside",
    format: formatNumber,
    of: ({ established, outsideSeconds }) => established / outsideSeconds,
  },
  {
    key: "openSeconds",
    label: "time to open, with thread start",
    format: formatSeconds,
    of: ({ seconds, setupSeconds = 0 }) => seconds + setupSeconds,
  },
  {
    key: "clientCpuUs",
    label: "CPU/connection, client (µs)",
    format: (value) => value.toFixed(1),
    of: ({ cpuSeconds, established }) => (cpuSeconds.client / established) * 1e6,
  },
  {
    key: "serverCpuUs",
    label: "CPU/connection, server (µs)",
    format: (value) => value.toFixed(1),
    of: ({ cpuSeconds, established }) => (cpuSeconds.server / established) * 1e6,
  },
  {
    key: "cpuUs",
    label: "CPU/connection, both (µs)",
    format: (value) => value.toFixed(1),
    of: ({ cpuSeconds, established }) => ((cpuSeconds.client + cpuSeconds.server) / established) * 1e6,
  },
  {
    key: "rampCpuUs",
    label: "  of it from the word to begin on (µs)",
    format: (value) => value.toFixed(1),
    of: ({ cpuSeconds: at, cpuSecondsBefore: before, established }) =>
      ((at.client + at.server - before.client - before.server) / established) * 1e6,
  },
  {
    key: "clientRssBytes",
    label: "RSS/connection, client",
    format: formatBytes,
    of: ({ residentBytes, residentBytesBefore, established }) =>
      (residentBytes.client - residentBytesBefore.client) / established,
  },
  {
    key: "serverRssBytes",
    label: "RSS/connection, server",
    format: formatBytes,
    of: ({ residentBytes, residentBytesBefore, established }) =>
      (residentBytes.server - residentBytesBefore.server) / established,
  },
  {
    key: "systemBytes",
    label: "memory/connection, MemAvailable",
    format: formatBytes,
    of: ({ memory, memoryBefore, established }) => (memoryBefore.availableBytes - memory.availableBytes) / established,
  },
  {
    key: "freeBytes",
    label: "memory/connection, MemFree",
    format: formatBytes,
    of: ({ memory, memoryBefore, established }) => (memoryBefore.freeBytes - memory.freeBytes) / established,
  },
  {
    key: "slabBytes",
    label: "slab/connection, both ends",
    format: formatBytes,
    of: ({ memory, memoryBefore, established }) => (memory.slabBytes - memoryBefore.slabBytes) / established,
  },
  {
    key: "clientIdleShare",
    label: "CPU while holding, client",
    format: formatPercent,
    of: ({ idle }) => idle.client / idle.seconds,
  },
  {
    key: "serverIdleShare",
    label: "CPU while holding, server",
    format: formatPercent,
    of: ({ idle }) => idle.server / idle.seconds,
  },
  {
    key: "kernelEstablished",
    label: "ESTABLISHED, counted in the kernel",
    format: formatNumber,
    of: ({ kernelEstablished }) => kernelEstablished.sockets,
  },
  {
    key: "teardownSeconds",
    label: "teardown, both sides gone",
    format: formatSeconds,
    of: ({ teardownSeconds }) => teardownSeconds,
  },
  {
    key: "timeWaitLeft",
    label: "TIME_WAIT left",
    format: formatNumber,
    of: ({ timeWaitLeft }) => timeWaitLeft,
  },
  {
    key: "failed",
    label: "failed or lost",
    format: formatNumber,
    of: ({ asked, established, lost = 0 }) => asked - established + lost,
  },
  {
    key: "foreignCpuShare",
    label: "noise: CPU of others while opening",
    format: formatPercent,
    of: ({ foreignCpuSeconds, outsideSeconds }) => foreignCpuSeconds / outsideSeconds,
  },
];
