// Streams of server-sent events to the open pages. A page that reads too slowly is disconnected; it reconnects by
// itself and receives the history, so a slow page never holds anything up.
import type { ServerResponse } from "node:http";

/** Maximum number of bytes that may be waiting for a page. */
const MOST_WAITING_BYTES = 1024 ** 2;
const MOST_STREAMS = 64;
/** Time allowed for pages to receive the last event. */
const LAST_EVENT_MS = 2000;

export class Streams {
  readonly #open = new Set<ServerResponse>();

  get size(): number {
    return this.#open.size;
  }

  get isFull(): boolean {
    return this.#open.size >= MOST_STREAMS;
  }

  /** Adds a page, whose response then stays open. */
  add(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
    response.flushHeaders();
    this.#open.add(response);
    response.on("close", () => this.#open.delete(response));
    response.on("error", () => response.destroy());
  }

  /** Sends an event to a page. */
  send(response: ServerResponse, event: string, data: object): void {
    response.write(textOf(event, data));
  }

  /** Sends an event to all pages, except those that have fallen behind. */
  broadcast(event: string, data: object): void {
    if (this.#open.size === 0) return;
    const text = textOf(event, data);
    for (const response of this.#open) {
      if (response.writableLength > MOST_WAITING_BYTES) response.destroy();
      else response.write(text);
    }
  }

  /** Sends the last event to all pages, and waits a limited time until they have it. */
  async end(event: string, data: object): Promise<void> {
    const text = textOf(event, data);
    const all = [...this.#open].map(
      (response) =>
        new Promise<void>((resolve) => {
          response.on("close", resolve);
          response.end(text, resolve);
        }),
    );
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LAST_EVENT_MS);
    });
    await Promise.race([Promise.all(all), limit]);
    clearTimeout(timer);
  }
}

function textOf(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
