// Counts what the protocol of either role reports about its connections: responses and heartbeats.
import type { WorkerMemory } from "./worker-memory.js";

/** Places of the counters in a worker's memory. */
interface Places {
  readonly responses1xx: number;
  readonly responses2xx: number;
  readonly responses3xx: number;
  readonly responses4xx: number;
  readonly responses5xx: number;
  readonly sentHeartbeats: number;
  readonly answeredHeartbeats: number;
  readonly receivedHeartbeats: number;
}

/** The part of an exchange that only counts. For the methods, see Connections in protocols/contract.ts. */
export abstract class CommonProtocolCounts {
  protected readonly memory: WorkerMemory;
  protected readonly counters: Float64Array;
  private readonly places: Places;
  /** Places of the responses, from 1xx to 5xx. */
  private readonly responses: readonly number[];

  constructor(memory: WorkerMemory, places: Places) {
    this.memory = memory;
    this.counters = memory.counters;
    this.places = places;
    const { responses1xx, responses2xx, responses3xx, responses4xx, responses5xx } = places;
    this.responses = [responses1xx, responses2xx, responses3xx, responses4xx, responses5xx];
  }

  responded(_slot: number, status: number, _retryAfterSec: number): void {
    this.counters[this.responses[Math.floor(status / 100) - 1] ?? this.places.responses5xx]! += 1;
  }

  beaten(_slot: number): void {
    this.counters[this.places.sentHeartbeats]! += 1;
  }

  alive(_slot: number): void {
    this.counters[this.places.answeredHeartbeats]! += 1;
  }

  ponged(_slot: number): void {
    this.counters[this.places.receivedHeartbeats]! += 1;
  }
}
