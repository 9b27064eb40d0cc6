// Keeps runs in a key-value bucket of NATS's JetStream for a week.
import { type KV, Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { decode, encode } from "../codec.js";
import type { RunStore } from "../store.js";

const BUCKET = "fourtuple-runs";
const KEPT_MS = 7 * 24 * 3600 * 1000;

/** @returns a store; if the server has no JetStream, nothing is kept, and `obstacle` says why */
export async function openStore(connection: NatsConnection): Promise<RunStore> {
  try {
    return new BucketStore(await new Kvm(connection).create(BUCKET, { ttl: KEPT_MS, history: 1 }));
  } catch (error) {
    return noStore(`JetStream is not available at the NATS server (${(error as Error).message})`);
  }
}

class BucketStore implements RunStore {
  readonly obstacle = undefined;
  readonly #bucket: KV;

  constructor(bucket: KV) {
    this.#bucket = bucket;
  }

  async put(key: string, value: object): Promise<string | undefined> {
    try {
      await this.#bucket.put(key, encode(value));
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  async get(key: string): Promise<unknown> {
    const entry = await this.#bucket.get(key);
    return entry === null || entry.operation !== "PUT" ? undefined : decode(entry.value);
  }

  async keys(prefix = ""): Promise<string[]> {
    const keys: string[] = [];
    for await (const key of await this.#bucket.keys(prefix === "" ? ">" : `${prefix}.>`)) keys.push(key);
    return keys.sort();
  }

  async remove(key: string): Promise<void> {
    await this.#bucket.purge(key).catch(() => undefined);
  }
}

function noStore(obstacle: string): RunStore {
  return {
    obstacle,
    put: async () => undefined,
    get: async () => undefined,
    keys: async () => [],
    remove: async () => undefined,
  };
}
