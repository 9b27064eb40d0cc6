// Tests runs whose server is restarted while connections are in a handshake. Their diagnosis must not be a limit of the
// server, whether or not the server's end is visible.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import { type ConnectOptions, type ConnectResult, type Diagnosis, explainRun } from "../../src/index.js";
import { ownAddress, ownPort } from "../support/address.js";
import { Authority } from "../support/certificates.js";
import { connack } from "../support/mqtt.js";
import { startClient } from "../support/peers.js";
import { connectResult } from "../support/results.js";
import { until, within } from "../support/until.js";

const SILENT = 20;
const REFUSED = 20;
/** The runs take 4 s; each waits for its server several times, which adds up on a busy machine. */
const END_MS = 60_000;

async function listen(server: Server, ip: string, port: number): Promise<void> {
  await once(server.listen(port, ip), "listening");
  onTestFinished(() => void server.close());
}

/** Runs a client against a server that answers no handshake, closes, is down for a while, and is replaced by `next`. */
async function runAgainst(scheme: string, next: Server, options: Partial<ConnectOptions> = {}): Promise<ConnectResult> {
  const [ip, port] = [ownAddress(), ownPort()];
  const sockets: Socket[] = [];
  const first = createServer((socket) => sockets.push(socket.on("error", () => undefined)));
  await listen(first, ip, port);
  const to = `${scheme}${ip}:${port}`;
  const run = await startClient({ to, connections: 300, connectRatePerSec: 100, durationMs: 0, ...options });
  await until("connections wait in their handshake", () => sockets.length >= SILENT);
  first.close();
  for (const socket of sockets) socket.destroy();
  await until("others are refused", () => run.snapshot().failed >= sockets.length + REFUSED);
  await listen(next, ip, port);
  return within("the end", run.done, END_MS);
}

/** Explains the run as if its server were on another host. */
function explainElsewhere(result: ConnectResult): Promise<Diagnosis> {
  return explainRun({ ...result, evidence: { ...result.evidence, peer: undefined } });
}

const mqtt = () =>
  createServer((socket) => {
    socket.on("error", () => undefined).once("data", () => socket.write(connack(), "latin1"));
  });

const tls = () => {
  const authority = new Authority("fourtuple test");
  onTestFinished(() => authority.remove());
  const { cert, key } = authority.issue("server", ["IP:127.0.0.1"]);
  return createTlsServer(
    { cert: readFileSync(cert), key: readFileSync(key) },
    (socket) => void socket.on("error", () => undefined),
  );
};

describe("a server that is restarted during handshakes", () => {
  it.each([
    ["MQTT", "mqtt://", mqtt, {}],
    ["TLS", "tls://", tls, { insecure: true }],
  ] as const)("of %s has been restarted and has no limit", async (_, scheme, start, options) => {
    const result = await runAgainst(scheme, start(), options);
    const { failures, ready, evidence } = result;
    expect(ready, JSON.stringify(failures)).toBeGreaterThan(50);
    expect(evidence.outage).toMatchObject({ establishedDuring: 0, establishedAfter: ready, endedAfter: 0 });
    for (const { finding } of [result.diagnosis!, await explainElsewhere(result)]) {
      expect(finding, JSON.stringify(failures)).toMatchObject({ limit: "peer-ended", whose: "peer" });
      expect(finding!.meaning).toMatch(
        /^the server was restarted during the run: .* in their handshakes, refused others/,
      );
    }
  });

  it("is not said to have ended open connections if it has ended handshakes only, and refused none", async () => {
    const listener = { ip: "10.0.0.1", port: 7777, acceptQueue: { used: 0 }, uid: 0, since: "replaced" } as const;
    const { finding } = await explainRun(
      connectResult({
        ...{ requested: 603, failed: 3, failures: [{ phase: "tls", errno: "ECONNRESET", count: 3 }] },
        evidence: { peer: { listeners: [listener], elsewhere: [], process: undefined } },
      }),
    );
    expect(finding!.meaning).toBe(
      "the server was restarted or reloaded during the run: it ended connections in their handshakes and accepted again",
    );
  });

  it("is told from one that stops to listen, and answers those that it has accepted", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.on("error", () => undefined)));
    await listen(server, ip, port);
    const run = await startClient({
      to: `mqtt://${ip}:${port}`,
      connections: 100,
      connectRatePerSec: 100,
      durationMs: 0,
    });
    await until("connections wait in their handshake", () => sockets.length >= SILENT);
    server.close();
    await until("the others are refused", () => run.snapshot().failed === 100 - sockets.length);
    for (const socket of sockets) socket.write(connack(), "latin1");
    const result = await within("the end", run.done, END_MS);
    expect(result.ready).toBe(sockets.length);
    expect(result.evidence.outage).toMatchObject({ readyBefore: 0, establishedAfter: 0 });
    // Seen from another host, a firewall may refuse, too.
    const { suspects } = await explainElsewhere(result);
    expect(suspects.map(({ limit }) => limit)).toEqual(["path", "listener"]);
    expect(suspects[1]!.meaning).toMatch(/^nothing listens on that port any more/);
  });

  it("is told from one that starts late, which has ended nothing", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    const run = await startClient({
      to: `mqtt://${ip}:${port}`,
      connections: 200,
      connectRatePerSec: 100,
      durationMs: 0,
    });
    await until("connections are refused", () => run.snapshot().failed >= REFUSED);
    await listen(mqtt(), ip, port);
    const result = await within("the end", run.done, END_MS);
    expect((await explainElsewhere(result)).finding!.meaning).toMatch(
      /^nothing was listening for .* of the run: the server started late, or was restarted$/,
    );
    const outage = { ...result.evidence.outage!, durationMs: 0 };
    const { finding, suspects } = await explainElsewhere({ ...result, evidence: { ...result.evidence, outage } });
    expect(finding, "one refusal in each thread").toBeUndefined();
    expect(suspects.map(({ limit }) => limit)).toEqual(["path", "listener"]);
  });
});
