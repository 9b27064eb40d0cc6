// Keeps runs in a key-value bucket of NATS's JetStream for a week.
import { type KV, type KvEntry, Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../../util/errors.js";
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
    const entry = await this.#entry(key);
    if (entry === null || entry.operation !== "PUT") return undefined;
    const value = decode(entry.value);
    // Every stored value is an object.
    if (value === undefined) throw unreadable(key, "it is not what fourtuple stores");
    return value;
  }

  async #entry(key: string): Promise<KvEntry | null> {
    try {
      return await this.#bucket.get(key);
    } catch (cause) {
      throw unreadable(key, (cause as Error).message, cause);
    }
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

function unreadable(key: string, why: string, cause?: unknown): AppError {
  return new AppError("E_FLEET", `cannot read ${key} from JetStream's bucket ${BUCKET}: ${why}`, {
    fix: "if it stays so, the server's storage is damaged: nats-server's log says more",
    cause,
  });
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
