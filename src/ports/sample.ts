// A few connections as the kernel names them, to be shown to people. Counting is left to count.ts.
import { closeSync, openSync, readSync } from "node:fs";
import type { FourTuple } from "../base/address.js";

// Enough for some hundred sockets. The table is in the order of the kernel's hash, so its beginning is a fair mix.
const READ_BYTES = 128 * 1024;

/**
 * Some ESTABLISHED IPv4 connections whose local port is `port`, seen from the client: its end is the source.
 * Different source addresses come first.
 *
 * @returns at most `count`; none where /proc/net/tcp cannot be read
 */
export function sampleFourTuples(port: number, count: number): FourTuple[] {
  const bySource = new Map<string, FourTuple>();
  const rest: FourTuple[] = [];
  for (const tuple of parseTable(readBeginning("/proc/net/tcp"))) {
    if (tuple.destinationPort !== port) continue;
    if (bySource.has(tuple.sourceIp)) rest.push(tuple);
    else bySource.set(tuple.sourceIp, tuple);
  }
  return [...bySource.values(), ...rest].slice(0, count);
}

function* parseTable(text: string): Generator<FourTuple> {
  for (const [, localIp, localPort, remoteIp, remotePort] of text.matchAll(/: (\w{8}):(\w{4}) (\w{8}):(\w{4}) 01 /g)) {
    yield {
      sourceIp: parseHexIp(remoteIp!),
      sourcePort: Number.parseInt(remotePort!, 16),
      destinationIp: parseHexIp(localIp!),
      destinationPort: Number.parseInt(localPort!, 16),
    };
  }
}

/** The kernel prints the address as a number in host order: little-endian on x64 and arm64. */
function parseHexIp(hex: string): string {
  return [...Buffer.from(hex, "hex")].reverse().join(".");
}

function readBeginning(path: string): string {
  const buffer = Buffer.alloc(READ_BYTES);
  let length = 0;
  try {
    const fd = openSync(path, "r");
    for (let read = -1; read !== 0 && length < READ_BYTES; length += read)
      read = readSync(fd, buffer, length, READ_BYTES - length, null);
    closeSync(fd);
  } catch {
    // What cannot be read is not shown.
  }
  return buffer.toString("latin1", 0, length);
}
