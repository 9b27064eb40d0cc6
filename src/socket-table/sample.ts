// A few connections as the kernel names them, to be shown to people. Counting is left to count.ts.

import { DiagSocket } from "../linux/netlink/diag-socket.js";
import { ProcTcpDump } from "../linux/proc/tcp.js";
import { TCP_ESTABLISHED } from "../linux/syscalls/constants.js";
import type { FourTuple } from "../util/endpoint.js";

// Enough for some hundred sockets. The table is in the order of the kernel's hash, so its beginning is a fair mix.
const READ_ROWS = 900;

/**
 * Some ESTABLISHED IPv4 connections whose local port is `port`, seen from the client: its end is the source.
 * Different source addresses come first.
 *
 * @returns at most `count`; none where /proc/net/tcp cannot be read
 */
export function sampleFourTuples(port: number, count: number): FourTuple[] {
  const bySource = new Map<string, FourTuple>();
  const rest: FourTuple[] = [];
  const dump = new ProcTcpDump("/proc/net/tcp", false);
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
