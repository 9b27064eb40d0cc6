// Counts what a server's protocol reports about its connections: responses and heartbeats.
import type { WorkerMemory } from "../../engine/worker-memory.js";
import { COUNTER } from "../metrics.js";

/** Counters of responses, from 1xx to 5xx. */
const RESPONSES = [
  COUNTER.responses1xx,
  COUNTER.responses2xx,
  COUNTER.responses3xx,
  COUNTER.responses4xx,
  COUNTER.responses5xx,
];

/** The part of a server's exchange that only counts. For the methods, see Connections in protocols/contract.ts. */
export abstract class ProtocolCounts {
  protected readonly memory: WorkerMemory;
  protected readonly counters: Float64Array;

  constructor(memory: WorkerMemory) {
    this.memory = memory;
    this.counters = memory.counters;
  }

  responded(_slot: number, status: number, _retryAfterSec: number): void {
    this.counters[RESPONSES[Math.floor(status / 100) - 1] ?? COUNTER.responses5xx]! += 1;
  }

  beaten(_slot: number): void {
    this.counters[COUNTER.sentHeartbeats]! += 1;
  }

  alive(_slot: number): void {
    this.counters[COUNTER.answeredHeartbeats]! += 1;
  }

  ponged(_slot: number): void {
    this.counters[COUNTER.receivedHeartbeats]! += 1;
  }
}
