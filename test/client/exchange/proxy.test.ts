// Tests that the PROXY protocol header is the first data that a server receives, with the addresses that the server
// sees.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { endpoint, ownAddress, ownPort } from "../../support/address.js";
import { listeningAt } from "../../support/kernel.js";
import { startClient, startForeignServer, startServer } from "../../support/peers.js";
import { hasProgram, start } from "../../support/process.js";
import { until } from "../../support/until.js";

const HOLD = { durationMs: Number.POSITIVE_INFINITY };

describe("each connection", () => {
  it.each([undefined, "::1"])("starts with a header of its own addresses, before any message (%s)", async (ip) => {
    const heard: [string, string][] = [];
    const server = await startForeignServer((socket) => {
      const { remoteFamily, remoteAddress, remotePort, localAddress, localPort } = socket;
      const family = remoteFamily === "IPv6" ? 6 : 4;
      const line = `PROXY TCP${family} ${remoteAddress} ${localAddress} ${remotePort} ${localPort}\r\n`;
      socket.once("data", (data) => heard.push([data.toString().slice(0, line.length), line]));
    }, ip);
    const message = { message: "ping", messageRatePerSec: 50, expect: "none" } as const;
    const run = await startClient({ to: server.at, connections: 20, proxyProtocol: "v1", ...message, ...HOLD });
    await until(
      "20 headers",
      () => heard.length,
      (count) => count === 20,
    );
    for (const [line, expected] of heard) expect(line).toBe(expected);
    expect(await run.stop()).toMatchObject({ outcome: "met" });
  });

  it.runIf(hasProgram("haproxy")).each(["v1", "v2"] as const)(
    "is accepted by haproxy's accept-proxy: %s",
    async (version) => {
      const [ip, port] = [ownAddress(), ownPort()];
      const server = await startServer();
      const folder = mkdtempSync(join(tmpdir(), "fourtuple-"));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      const file = join(folder, "haproxy.cfg");
      writeFileSync(
        file,
        `defaults
  mode tcp
  timeout client 1h
  timeout server 1h
  timeout connect 5s
listen front
  bind ${ip}:${port} accept-proxy
  server back ${endpoint(server.address)}
`,
      );
      start("haproxy", ["-db", "-f", file]);
      await until("haproxy listens", () => listeningAt({ ip, port }) === 1);
      const run = await startClient({ to: `${ip}:${port}`, connections: 50, proxyProtocol: version, ...HOLD });
      // haproxy connects to the server only after a valid header.
      await until(
        "50 at the server behind it",
        () => server.snapshot().open,
        (open) => open === 50,
      );
      await until(
        "50 greeted through it",
        () => run.snapshot().greeted,
        (count) => count === 50,
      );
      expect(await run.stop()).toMatchObject({ outcome: "met", lost: 0 });
    },
  );
});
