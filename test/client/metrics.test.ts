// Tests the client's metrics: every metric that is not internal appears in the snapshot and, if declared so, in the
// result with the same value.
import { describe, expect, it } from "vitest";
import { CLIENT_METRICS } from "../../src/client/metrics.js";
import { familiesOf } from "../../src/engine/metric-names.js";
import { pathsOf } from "../../src/engine/metrics.js";
import type { ConnectOptions, ConnectResult, ConnectSnapshot, ServeOptions } from "../../src/index.js";
import { testDeclarations, valueAt } from "../support/metrics.js";
import { startAedes } from "../support/mqtt.js";
import { startClient, startServer } from "../support/peers.js";
import { within } from "../support/until.js";

testDeclarations(CLIENT_METRICS, "connect");

const counted = [...familiesOf(CLIENT_METRICS)].filter(([, { type }]) => type !== "histogram");
const shown = counted.map(([name]) => name) as (keyof typeof CLIENT_METRICS.definitions & keyof ConnectSnapshot)[];

async function runAgainst(server: Partial<ServeOptions>, client: Partial<ConnectOptions>) {
  const { address } = await startServer(server);
  const scheme = /^\w+:\/\//.exec(server.at ?? "")?.[0] ?? "";
  const run = await startClient({ to: `${scheme}${address.ip}:${address.port}`, connections: 20, ...client });
  const result = await within("the end", run.done);
  return { result, snapshot: run.snapshot() };
}

/** Returns the result fields that have a metric, each with the metric's last value in the snapshot. */
function pairs(
  result: ConnectResult,
  snapshot: ConnectSnapshot,
): [path: string, inResult: unknown, inSnapshot: number][] {
  return shown.flatMap((name) =>
    pathsOf(CLIENT_METRICS.definitions[name])
      .map((path) => [path, valueAt(result, path), snapshot[name]] as [string, unknown, number])
      .filter(([, inResult]) => inResult !== undefined),
  );
}

describe("a run's metrics", () => {
  const message = { message: "0123456789", messageRatePerSec: 20, durationMs: 400 };
  const cases: [string, Partial<ServeOptions>, Partial<ConnectOptions>][] = [
    ["with messages that are echoed", { mode: "echo" }, message],
    ["with messages that nobody answers", { mode: "discard" }, message],
    ["to a server that greets", {}, { durationMs: 50 }],
    ["over TLS", { at: "tls://127.0.0.1:0" }, { insecure: true, durationMs: 50 }],
    ["that closes what was greeted", {}, { closeAfterGreeting: true }],
    ["over HTTP", { at: "http://127.0.0.1:0" }, { durationMs: 50 }],
    ["over HTTP, opened again", { at: "http://127.0.0.1:0", closeAfterGreeting: true }, { requests: 60 }],
  ];
  const seen = new Set<string>();

  const expectSame = (result: ConnectResult, snapshot: ConnectSnapshot) => {
    for (const name of shown) expect(snapshot[name], name).toBeTypeOf("number");
    for (const [path, inResult, inSnapshot] of pairs(result, snapshot)) {
      seen.add(path);
      // After a run is closed, its snapshot has no open connections.
      if (path !== "openAtStop") expect(inResult, path).toBe(inSnapshot);
    }
    expect(snapshot.established).toBe(20);
  };

  it.each(cases)("%s appear in the snapshot, and with the same values in the result", async (_, server, client) => {
    const { result, snapshot } = await runAgainst(server, client);
    expectSame(result, snapshot);
  });

  it("of a run through an MQTT broker do so too", async () => {
    const { at } = await startAedes();
    const topics = { publish: "t/%i", subscribe: "t/%i" };
    const run = await startClient({ to: at, connections: 20, mqttVersion: "3.1.1", ...topics, durationMs: 1000 });
    const result = await within("the end", run.done);
    expect(result.deliveries!.received).toBeGreaterThan(0);
    expectSame(result, run.snapshot());
  });

  it("cover every metric that is declared to be in the result, over several kinds of runs", () => {
    const promised = shown.flatMap((name) => pathsOf(CLIENT_METRICS.definitions[name]));
    expect(promised.filter((path) => !seen.has(path))).toEqual([]);
  });
});
