// Drives both sides of HTTP/1.1 without sockets, to show how each reacts to a stream of bytes.
import { HttpClient, type HttpUse } from "../../src/protocols/http/client.js";
import { HttpServer, type HttpServerOptions } from "../../src/protocols/http/server.js";
import type { HttpSpec } from "../../src/protocols/spec/spec.js";
import { SPEC } from "./http.js";
import { ProtocolHost } from "./protocol-host.js";

export const SLOT = 3;
export const CHUNKED = { "Transfer-Encoding": "chunked" };

/** Feeds `stream` in pieces of the given sizes until the connection has ended. */
export function feed(
  protocol: HttpClient | HttpServer,
  host: ProtocolHost,
  stream: string,
  sizes: readonly number[],
): void {
  const bytes = Uint8Array.from(Buffer.from(stream, "latin1"));
  for (let at = 0, n = 0; at < bytes.length && !host.hasEnded(SLOT); n++) {
    const size = Math.min(sizes[n % sizes.length]!, bytes.length - at);
    protocol.received(SLOT, bytes.slice(at, at + size), 0, size);
    at += size;
  }
}

/** Returns a server's answers to `stream`. */
export function serve(stream: string, options: Partial<HttpServerOptions> = {}, sizes: readonly number[] = [2 ** 20]) {
  const host = new ProtocolHost();
  const server = new HttpServer(host, { spec: SPEC, mode: "hello", greeting: "hello", closes: false, ...options });
  host.constants = server.constants;
  host.opened(SLOT);
  server.opened(SLOT);
  feed(server, host, stream, sizes);
  return { server, host, said: host.said[SLOT]! };
}

/** Returns what a client reports about `stream` after this many messages. */
export function receive(
  stream: string,
  spec: Partial<HttpSpec> = {},
  messages = 0,
  sizes: readonly number[] = [2 ** 20],
  use?: HttpUse,
) {
  const host = new ProtocolHost();
  const client = new HttpClient(host, { ...SPEC, ...spec }, 1, use);
  host.constants = client.constants;
  host.opened(SLOT);
  client.opened(SLOT);
  for (let n = 0; n < messages; n++) {
    host.begin(client, SLOT);
    host.finish(SLOT);
  }
  feed(client, host, stream, sizes);
  return { client, host, said: host.said[SLOT]! };
}
