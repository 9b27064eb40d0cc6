// Samples a few connections for display. See count.ts for counting.

import { DiagSocket } from "../linux/netlink/diag-socket.js";
import { ProcTcpDump } from "../linux/proc/tcp.js";
import { TCP_ESTABLISHED } from "../linux/syscalls/constants.js";
import type { FourTuple } from "../util/endpoint.js";

// This is enough for several hundred sockets. The table is in the order of the kernel's hash, so its start is a fair
// sample.
const READ_ROWS = 900;

/**
 * Returns some ESTABLISHED IPv4 connections with local port `port`, from the client's perspective: the client's end is
 * the source. Distinct source addresses come first.
 *
 * @param file table of the network namespace
 * @returns at most `count` connections; empty if the file cannot be read
 */
export function sampleFourTuples(port: number, count: number, file = "/proc/net/tcp"): FourTuple[] {
  const bySource = new Map<string, FourTuple>();
  const rest: FourTuple[] = [];
  const dump = new ProcTcpDump(file, false);
  const socket = new DiagSocket(dump.bytes);
  let rows = 0;
  const visit = (offset: number, end: number): boolean => {
    socket.move(offset, end);
    if (socket.state === TCP_ESTABLISHED && socket.localPort === port) {
      const tuple = {
        sourceIp: socket.remoteIp,
        sourcePort: socket.remotePort,
        destinationIp: socket.localIp,
        destinationPort: port,
      };
      if (bySource.has(tuple.sourceIp)) rest.push(tuple);
      else bySource.set(tuple.sourceIp, tuple);
    }
    return ++rows < READ_ROWS;
  };
  while (dump.next(visit));
  dump.close();
  return [...bySource.values(), ...rest].slice(0, count);
}
