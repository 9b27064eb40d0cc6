// Loads for measuring each scheme: the options for both sides, and the number of connections.
import type { ConnectOptions } from "../../planning/connect-options.js";
import type { RunSpec } from "../../planning/run-spec.js";
import { SCHEMES, type Scheme } from "../../protocols/spec/address.js";
import type { EngineName } from "../../results/engine.js";
import type { ServeOptions } from "../../server/options.js";

interface Size {
  /** Connections opened before the measured ones, to absorb one-time costs such as threads and compiled code. */
  readonly first: number;
  readonly measured: number;
  /** Connections that resume a session. */
  readonly resumed: number;
  /** Number of connections that send heartbeats, and the interval. */
  readonly beating: { readonly connections: number; readonly intervalMs: number };
}

/** With TLS, there are few enough for a single thread, because another thread's own memory would be counted too. */
const SECURE: Size = { first: 150, measured: 1000, resumed: 300, beating: { connections: 300, intervalMs: 50 } };
/** The first connections must start as many threads as the measured ones need. */
const PLAIN: Size = { first: 5000, measured: 5000, resumed: 0, beating: { connections: 600, intervalMs: 100 } };

export function sizeOf(scheme: Scheme): Size {
  return SCHEMES[scheme].isSecure ? SECURE : PLAIN;
}

/**
 * Client options for a scheme. A few concurrent TLS handshakes keep both ends busy without any of them waiting long.
 */
export function clientOptions(scheme: Scheme, port: number, engine: EngineName): ConnectOptions {
  const secure = SCHEMES[scheme].isSecure ? { insecure: true, concurrency: 64 } : {};
  return {
    to: `${scheme}://127.0.0.1:${port}`,
    durationMs: Number.POSITIVE_INFINITY,
    close: "rst",
    engine,
    ...secure,
    // Heartbeats are measured separately.
    ...(SCHEMES[scheme].protocol === "mqtt" && { keepAliveMs: 0 }),
  };
}

/** Options of a client that sends messages of `bytes` bytes, each of which is answered. */
export function messageOptions(scheme: Scheme, bytes: number): Partial<ConnectOptions> {
  const message = new Uint8Array(bytes);
  switch (SCHEMES[scheme].protocol) {
    case "tcp":
      return { message };
    case "ws":
      return { message, binary: true };
    case "http":
      return { body: message };
    case "mqtt":
      return { message, publish: "load/%i", qos: 1 };
  }
}

/** Server mode that sends no greeting and answers messages. */
export function serverMode(scheme: Scheme): ServeOptions["mode"] {
  return SCHEMES[scheme].protocol === "mqtt" ? undefined : "echo";
}

/**
 * Returns the name of a protocol's heartbeat, and the spec of a run that sends it; undefined if the protocol has none.
 */
export function heartbeatOf(
  scheme: Scheme,
): { readonly name: "ping" | "PINGREQ"; send(spec: RunSpec, intervalMs: number): RunSpec } | undefined {
  const { protocol } = SCHEMES[scheme];
  if (protocol !== "ws" && protocol !== "mqtt") return undefined;
  return {
    name: protocol === "ws" ? "ping" : "PINGREQ",
    send(spec, intervalMs) {
      if (spec.protocol?.name === "ws") return { ...spec, protocol: { ...spec.protocol, pingIntervalMs: intervalMs } };
      if (spec.protocol?.name !== "mqtt") return spec;
      // CONNECT's keep-alive is in whole seconds. The server treats less than a second as no keep-alive, and only
      // answers pings.
      return { ...spec, protocol: { ...spec.protocol, keepAliveSec: intervalMs / 1000 } };
    },
  };
}
