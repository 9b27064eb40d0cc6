// What each scheme's connections do while they are measured: the options of both sides, and the sizes of the loads.
import type { ConnectOptions } from "../../planning/connect-options.js";
import type { RunSpec } from "../../planning/run-spec.js";
import { SCHEMES, type Scheme } from "../../protocols/spec/address.js";
import type { EngineName } from "../../results/engine.js";
import type { ServeOptions } from "../../server/options.js";

interface Size {
  /** Connections before those measured, for one-time costs: threads, and compiled code. */
  readonly first: number;
  readonly measured: number;
  /** Connections that resume a session. */
  readonly resumed: number;
  /** Connections that send heartbeats, and how often. */
  readonly beating: { readonly connections: number; readonly intervalMs: number };
}

/** With TLS, few enough for a single thread, whose own memory would otherwise be counted. */
const SECURE: Size = { first: 150, measured: 1000, resumed: 300, beating: { connections: 300, intervalMs: 50 } };
/** The first connections need as many threads as the others. */
const PLAIN: Size = { first: 5000, measured: 5000, resumed: 0, beating: { connections: 600, intervalMs: 100 } };

export function sizeOf(scheme: Scheme): Size {
  return SCHEMES[scheme].isSecure ? SECURE : PLAIN;
}

/** Options of a client for a scheme. A few TLS handshakes at a time keep both ends busy, and none waits for long. */
export function clientOptions(scheme: Scheme, port: number, engine: EngineName): ConnectOptions {
  const secure = SCHEMES[scheme].isSecure ? { insecure: true, concurrency: 64 } : {};
  return {
    to: `${scheme}://127.0.0.1:${port}`,
    durationMs: Number.POSITIVE_INFINITY,
    close: "rst",
    engine,
    ...secure,
    // Heartbeats are measured by themselves.
    ...(SCHEMES[scheme].protocol === "mqtt" && { keepAliveMs: 0 }),
  };
}

/** Options of a client that sends messages of `bytes`, all of which are answered. */
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

/** Mode of a server that greets nobody, and answers messages. */
export function serverMode(scheme: Scheme): ServeOptions["mode"] {
  return SCHEMES[scheme].protocol === "mqtt" ? undefined : "echo";
}

/**
 * Returns the name of a protocol's own heartbeat, and the spec of a run that sends it; undefined for a protocol without
 * heartbeats.
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
      // CONNECT has whole seconds only: a server takes less than one for none, and just answers.
      return { ...spec, protocol: { ...spec.protocol, keepAliveSec: intervalMs / 1000 } };
    },
  };
}
