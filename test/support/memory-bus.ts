// A bus in memory, for tests of the fleet without NATS: messages arrive in the next microtask, as copies.
import type { Bus, Handle } from "../../src/fleet/bus.js";
import type { RunStore } from "../../src/fleet/store.js";

export class MemoryBus implements Bus {
  isConnected = true;
  /** Drops the messages for which it returns true. */
  drops: (message: object, subject?: string) => boolean = () => false;
  readonly #handles = new Map<string, Set<Handle>>();

  publish(subject: string, message: object): void {
    this.#send(subject, message, undefined);
  }

  subscribe(subject: string, handle: Handle): () => void {
    const handles = this.#handles.get(subject) ?? new Set();
    this.#handles.set(subject, handles.add(handle));
    return () => handles.delete(handle);
  }

  request(subject: string, message: object, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve) => {
      if (!this.isConnected || !this.#handles.get(subject)?.size) return resolve(undefined);
      const timer = setTimeout(() => resolve(undefined), timeoutMs);
      this.#send(subject, message, (answer) => {
        if (this.drops(answer)) return;
        clearTimeout(timer);
        resolve(copy(answer));
      });
    });
  }

  async gather(subject: string, message: object): Promise<unknown[]> {
    const answers: unknown[] = [];
    this.#send(subject, message, (answer) => answers.push(copy(answer)));
    await new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(resolve)));
    return answers;
  }

  async check(): Promise<void> {}

  async close(): Promise<void> {
    this.#handles.clear();
  }

  #send(subject: string, message: object, answer: ((answer: object) => void) | undefined): void {
    if (!this.isConnected || this.drops(message, subject)) return;
    for (const handle of this.#handles.get(subject) ?? []) queueMicrotask(() => handle(copy(message), answer));
  }
}

export class MemoryStore implements RunStore {
  readonly obstacle = undefined;
  readonly values = new Map<string, unknown>();

  /** Fails while the bus that it is reached by is cut off. */
  bus: MemoryBus | undefined;

  async put(key: string, value: object): Promise<string | undefined> {
    if (this.bus?.isConnected === false) return "disconnected";
    this.values.set(key, copy(value));
    return undefined;
  }

  async get(key: string): Promise<unknown> {
    return this.values.get(key);
  }

  async keys(prefix = ""): Promise<string[]> {
    return [...this.values.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  async remove(key: string): Promise<void> {
    this.values.delete(key);
  }
}

function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}
