// A fingerprint of the sockets that a reading has visited, by which two readings are compared. A dump is no snapshot: the
// kernel goes on where it stopped by counting sockets in a bucket, so one that comes or goes there meanwhile makes it miss
// or repeat another.
import { readSnmp, readSockstat } from "../linux/proc/procfs.js";

const CELLS = 64;
/** What a bucket's boundary does to a reading: one or two sockets. More means that the sockets themselves change. */
const FEW = 4;

export class DumpFingerprint {
  private readonly cells = new Uint32Array(CELLS);

  /** @param cookie the kernel's number of the socket, its lower word */
  add(cookie: number): void {
    this.cells[cookie & (CELLS - 1)]! += 2 * cookie + 1;
  }

  /** How another reading of the same query compares with this one. */
  compare(other: DumpFingerprint): "same" | "few differ" | "many differ" {
    const differing = this.cells.reduce((sum, cell, i) => (cell === other.cells[i] ? sum : sum + 1), 0);
    return differing === 0 ? "same" : differing <= FEW ? "few differ" : "many differ";
  }
}

/** Changes whenever a connection of this network namespace comes, goes or is refused. */
export function readTurnover(): string {
  const net = readSnmp();
  const { "TCP.tw": timeWait, "TCP.alloc": sockets } = readSockstat();
  const names = ["ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets", "CurrEstab"];
  return [...names.map((name) => net[`Tcp.${name}`]), timeWait, sockets].join();
}
