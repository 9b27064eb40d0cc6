// Fingerprint of the sockets visited by one pass over the table, for comparing two passes. A dump is not a
// snapshot: the kernel resumes a dump by counting sockets in a bucket, so it may miss or repeat a socket if another
// is added or removed there.
import { readSockstat, readTcpCounters } from "../linux/proc/procfs.js";

const CELLS = 64;
/** A resumed dump is off by one or two sockets. A larger difference means that the sockets themselves changed. */
const FEW = 4;

export class DumpFingerprint {
  private readonly cells = new Uint32Array(CELLS);

  /** @param cookie lower word of the socket's cookie */
  add(cookie: number): void {
    this.cells[cookie & (CELLS - 1)]! += 2 * cookie + 1;
  }

  /** Compares the result of another pass for the same query with this one. */
  compare(other: DumpFingerprint): "same" | "few differ" | "many differ" {
    const differing = this.cells.reduce((sum, cell, i) => (cell === other.cells[i] ? sum : sum + 1), 0);
    return differing === 0 ? "same" : differing <= FEW ? "few differ" : "many differ";
  }
}

/** Returns a string that changes whenever a connection in this network namespace is opened, closed or refused. */
export function readTurnover(): string {
  const net = readTcpCounters();
  const { "TCP.tw": timeWait, "TCP.alloc": sockets } = readSockstat();
  const names = ["ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets", "CurrEstab"];
  return [...names.map((name) => net[`Tcp.${name}`]), timeWait, sockets].join();
}
