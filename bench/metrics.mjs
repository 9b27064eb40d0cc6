// Metrics computed from a round of opening and holding connections.
import {
  formatBytes,
  formatFinePercent,
  formatMegabytes,
  formatNumber,
  formatPercent,
  formatSeconds,
} from "./format.mjs";

const micros = (/** @type {number} */ value) => value.toFixed(1);

/** @type {Record<string, import("./workloads.mjs").Metric>} */
export const RAMP_METRICS = {
  ratePerSec: {
    isCompared: true,
    label: "connections/s, ramp",
    format: formatNumber,
    of: ({ established, seconds }) => established / seconds,
  },
  rateWithSetupPerSec: {
    label: "connections/s, with thread start",
    format: formatNumber,
    of: ({ established, seconds, setupSeconds = 0 }) => established / (seconds + setupSeconds),
  },
  outsideRatePerSec: {
    label: "connections/s, seen from outside",
    format: formatNumber,
    of: ({ established, outsideSeconds }) => established / outsideSeconds,
  },
  timeUs: {
    label: "time/connection (µs), with thread start",
    format: micros,
    isCompared: true,
    of: ({ established, seconds, setupSeconds = 0 }) => ((seconds + setupSeconds) / established) * 1e6,
  },
  openSeconds: {
    label: "time to open, with thread start",
    format: formatSeconds,
    of: ({ seconds, setupSeconds = 0 }) => seconds + setupSeconds,
  },
  clientCpuUs: {
    label: "CPU/connection (µs), client",
    format: micros,
    of: ({ cpuSeconds, established }) => (cpuSeconds.client / established) * 1e6,
  },
  serverCpuUs: {
    label: "CPU/connection (µs), server",
    format: micros,
    of: ({ cpuSeconds, established }) => (cpuSeconds.server / established) * 1e6,
  },
  cpuUs: {
    isCompared: true,
    label: "CPU/connection (µs), both",
    format: micros,
    of: ({ cpuSeconds, established }) => ((cpuSeconds.client + cpuSeconds.server) / established) * 1e6,
  },
  userCpuUs: {
    label: "  user (µs)",
    format: micros,
    of: ({ cpuTimes, established }) => ((cpuTimes.client.user + cpuTimes.server.user) / established) * 1e6,
  },
  systemCpuUs: {
    label: "  system (µs)",
    format: micros,
    of: ({ cpuTimes, established }) => ((cpuTimes.client.system + cpuTimes.server.system) / established) * 1e6,
  },
  rampCpuUs: {
    isCompared: true,
    label: "CPU/connection (µs), after start-up",
    format: micros,
    of: ({ cpuSeconds: at, cpuSecondsBefore: before, established }) =>
      ((at.client + at.server - before.client - before.server) / established) * 1e6,
  },
  clientRssBytes: {
    label: "RSS/connection, client",
    format: formatBytes,
    of: ({ residentBytes, residentBytesBefore, established }) =>
      (residentBytes.client - residentBytesBefore.client) / established,
  },
  serverRssBytes: {
    label: "RSS/connection, server",
    format: formatBytes,
    of: ({ residentBytes, residentBytesBefore, established }) =>
      (residentBytes.server - residentBytesBefore.server) / established,
  },
  userBytes: {
    label: "RSS/connection, both",
    format: formatBytes,
    of: (round) => RAMP_METRICS.clientRssBytes.of(round) + RAMP_METRICS.serverRssBytes.of(round),
  },
  clientPeakBytes: {
    label: "peak RSS, client",
    format: formatMegabytes,
    of: ({ peakResidentBytes }) => peakResidentBytes.client,
  },
  serverPeakBytes: {
    label: "peak RSS, server",
    format: formatMegabytes,
    of: ({ peakResidentBytes }) => peakResidentBytes.server,
  },
  systemBytes: {
    label: "memory/connection, MemAvailable",
    format: formatBytes,
    of: ({ memory, memoryBefore, established }) => (memoryBefore.availableBytes - memory.availableBytes) / established,
  },
  freeBytes: {
    label: "memory/connection, MemFree",
    format: formatBytes,
    of: ({ memory, memoryBefore, established }) => (memoryBefore.freeBytes - memory.freeBytes) / established,
  },
  slabBytes: {
    label: "slab/connection, both ends",
    format: formatBytes,
    of: ({ memory, memoryBefore, established }) => (memory.slabBytes - memoryBefore.slabBytes) / established,
  },
  idleShare: {
    label: "CPU while holding, both",
    format: formatFinePercent,
    of: ({ idle }) => (idle ? (idle.client + idle.server) / idle.seconds : Number.NaN),
  },
  clientIdleShare: {
    label: "  client",
    format: formatFinePercent,
    of: ({ idle }) => (idle ? idle.client / idle.seconds : Number.NaN),
  },
  serverIdleShare: {
    label: "  server",
    format: formatFinePercent,
    of: ({ idle }) => (idle ? idle.server / idle.seconds : Number.NaN),
  },
  kernelEstablished: {
    label: "ESTABLISHED, counted in the kernel",
    format: formatNumber,
    of: ({ kernelEstablished }) => kernelEstablished.sockets,
  },
  teardownSeconds: {
    label: "teardown, both sides gone",
    format: formatSeconds,
    of: ({ teardownSeconds }) => teardownSeconds,
  },
  timeWaitLeft: {
    label: "TIME_WAIT left",
    format: formatNumber,
    of: ({ timeWaitLeft }) => timeWaitLeft,
  },
  failed: {
    label: "failed or lost",
    format: formatNumber,
    of: ({ requested, established, isUnfinished, lost = 0 }) => (isUnfinished ? 0 : requested - established) + lost,
  },
  foreignCpuShare: {
    label: "noise: CPU of other programs while opening",
    format: formatPercent,
    of: ({ foreignCpuSeconds, outsideSeconds }) => foreignCpuSeconds / outsideSeconds,
  },
};
