// Tests the server's metrics: every metric that is not internal appears in the snapshot and, if declared so, in the
// result with the same value.
import { expect, it } from "vitest";
import { familiesOf } from "../../src/engine/metric-names.js";
import { pathsOf } from "../../src/engine/metrics.js";
import type { ServeSnapshot } from "../../src/index.js";
import { SERVER_METRICS } from "../../src/server/metrics.js";
import { testDeclarations, valueAt } from "../support/metrics.js";
import { startClient, startServer } from "../support/peers.js";
import { until, within } from "../support/until.js";

testDeclarations(SERVER_METRICS, "serve");

it.each([
  ["", false],
  ["tls://", true],
  ["http://", false],
])(
  "shows its metrics in the snapshot, and with the same values in the result (%s, PROXY protocol: %s)",
  async (scheme, proxyProtocol) => {
    const options = { mode: "echo", maxConnections: 15, proxyProtocol } as const;
    const server = await startServer({ at: `${scheme}127.0.0.1:0`, ...options });
    const to = `${scheme}${server.address.ip}:${server.address.port}`;
    const message = {
      ...(scheme === "http://" ? { body: "0123456789" } : { message: "0123456789" }),
      messageRatePerSec: 20,
      durationMs: 200,
      ...(scheme === "tls://" ? { insecure: true } : {}),
    };
    const header = proxyProtocol ? ({ proxyProtocol: "v1" } as const) : {};
    const client = await startClient({ to, connections: 20, ...header, ...message });
    await within("the client's end", client.done);
    await until(
      "all have been closed",
      () => server.snapshot(),
      ({ accepted, closed, rejected }) => accepted === 20 && closed + rejected === 20,
    );
    const before = server.snapshot();
    const result = await within("the server's end", server.stop());
    const shown = [...familiesOf(SERVER_METRICS).keys()] as (keyof typeof SERVER_METRICS.definitions &
      keyof ServeSnapshot)[];
    for (const name of shown) {
      expect(before[name], name).toBeTypeOf("number");
      for (const path of pathsOf(SERVER_METRICS.definitions[name]))
        if (hasSection(scheme, path)) expect(valueAt(result, path), path).toBe(before[name]);
    }
    expect(before).toMatchObject({ accepted: 20, rejected: 5 });
    expect(before.sentBytes).toBeGreaterThan(0);
  },
);

/** Whether a result has the section of a field: some are of TLS with the PROXY protocol, or of HTTP only. */
function hasSection(scheme: string, path: string): boolean {
  if (path.startsWith("tls.") || path.startsWith("proxyProtocol.")) return scheme === "tls://";
  return !path.startsWith("responses.") || scheme === "http://";
}
