// The live page's view of a server.

import { cpus } from "node:os";
import { Headroom, type Usage } from "../../capacity/limits/headroom.js";
import { readMemoryUse } from "../../engine/memory-use.js";
import { CoreMeter } from "../../engine/run/core-meter.js";
import { ServeRun } from "../../server/run.js";
import { endpointsQuery } from "../../socket-table/endpoints.js";
import { readListeners } from "../../socket-table/listeners/listeners.js";
import { parseIp } from "../../util/address.js";
import { formatEndpoint } from "../../util/endpoint.js";
import type { Column, LiveFeed } from "./feed.js";

const COLUMNS: readonly Column[] = [
  "elapsedMs",
  "phase",
  "open",
  "established",
  "failed",
  "lost",
  "receivedBytes",
  "sentBytes",
  "kernelBytes",
  "residentBytes",
  "cores",
].map((name) => ({ name, merge: "last" }));

export function serveFeed(run: ServeRun): LiveFeed {
  const { ip, port } = run.address;
  const headroom = new Headroom();
  const meter = new CoreMeter();
  const queue = new AcceptQueue(run.address);
  const cores = cpus().length;
  const before = readMemoryUse();
  let isEnding = false;
  run.done.then(
    () => (isEnding = true),
    () => (isEnding = true),
  );
  return {
    head: {
      role: "serve",
      title: formatEndpoint(ip, port),
      startedAt: new Date().toISOString(),
      requested: undefined,
      phases: ["accepting", "closed"],
      columns: COLUMNS,
      latencies: [],
      ports: {
        fields: [{ ip, role: "server" }],
        omittedAddresses: 0,
        order: [],
        servers: [[port]],
        note: "All connections share the server's one port. To see the ports of its clients, run fourtuple ports --map",
      },
    },
    read() {
      const snapshot = run.snapshot();
      const memory = readMemoryUse();
      const used = meter.take();
      const { usages, binding } = headroom.take(snapshot.open, queue.read());
      const phase = isEnding ? 1 : 0;
      return {
        row: [
          Math.round(snapshot.elapsedMs),
          phase,
          snapshot.open,
          snapshot.accepted,
          snapshot.rejected,
          snapshot.resets,
          snapshot.receivedBytes,
          snapshot.sentBytes,
          memory.kernelBytes - before.kernelBytes,
          memory.residentBytes,
          used,
        ],
        now: {
          phase,
          elapsedMs: snapshot.elapsedMs,
          leftMs: undefined,
          limits: [...usages, { id: "cpu", name: "CPU of this process", unit: "cores", used, limit: cores }],
          binding,
          failures: ServeRun.measure(run).failures,
          ports: [[]],
          notes: snapshot.isPaused
            ? ["Accepting is paused because the host is running low on memory, open files or epoll watches."]
            : [],
        },
      };
    },
  };
}

/**
 * Reads the server's accept queue in the background. Only the listening sockets are read, however many connections
 * there are.
 */
class AcceptQueue {
  readonly #address: ServeRun["address"];
  #last: Usage[] = [];
  #isReading = false;

  constructor(address: ServeRun["address"]) {
    this.#address = address;
  }

  /** Returns the result of the previous read, and starts the next one. */
  read(): Usage[] {
    if (!this.#isReading) void this.#refresh();
    return this.#last;
  }

  async #refresh(): Promise<void> {
    this.#isReading = true;
    const { ip, port } = this.#address;
    try {
      const listeners = await readListeners({ local: endpointsQuery([{ ip: parseIp(ip), port }]) });
      this.#last = listeners
        .slice(0, 1)
        .flatMap(({ acceptQueue: { used, limit } }) =>
          limit === undefined
            ? []
            : [{ id: "accept-queue", name: "accept queue (backlog)", unit: "connections", used, limit }],
        );
    } catch {
      this.#last = [];
    }
    this.#isReading = false;
  }
}
