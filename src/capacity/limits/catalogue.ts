// All limits, in their default display order.
import type { Limit } from "../limit.js";
import { cpu } from "./cpu.js";
import { cgroupPids, epollWatches, fileMax, nofile, nrOpen, threadsMax } from "./descriptors.js";
import { memlock } from "./memlock.js";
import {
  cgroupHigh,
  cgroupMemory,
  cgroupTcpMemory,
  memory,
  receiveBuffer,
  sendBuffer,
  slab,
  tcpMem,
} from "./memory.js";
import { neighbours, neighboursV6 } from "./neighbours.js";
import { listener, peerMaximum, peerNofile } from "./peer.js";
import { localPortRange, reservedPorts, route, sourcePorts, unprivilegedPortStart } from "./ports.js";
import {
  abortOnOverflow,
  acceptQueue,
  deviceQueue,
  netdevBacklog,
  somaxconn,
  synBacklog,
  syncookies,
} from "./queues.js";
import {
  childHash,
  conntrackBuckets,
  conntrackMax,
  establishedHash,
  linkSpeed,
  orphans,
  timeWaitBuckets,
  timeWaitReuse,
} from "./tables.js";
import { timeWait } from "./time-wait.js";

export const LIMITS: readonly Limit[] = [
  nofile,
  nrOpen,
  fileMax,
  epollWatches,
  memlock,
  threadsMax,
  cgroupPids,
  route,
  sourcePorts,
  localPortRange,
  reservedPorts,
  unprivilegedPortStart,
  memory,
  cgroupMemory,
  cgroupHigh,
  cgroupTcpMemory,
  slab,
  tcpMem,
  receiveBuffer,
  sendBuffer,
  acceptQueue,
  somaxconn,
  synBacklog,
  syncookies,
  abortOnOverflow,
  netdevBacklog,
  deviceQueue,
  conntrackMax,
  conntrackBuckets,
  establishedHash,
  childHash,
  neighbours,
  neighboursV6,
  timeWait,
  timeWaitBuckets,
  timeWaitReuse,
  orphans,
  cpu,
  linkSpeed,
  listener,
  peerNofile,
  peerMaximum,
];
