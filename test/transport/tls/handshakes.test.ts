// Tests unusual handshakes: resumed, with a fixed version, with ALPN, cut off, or hostile.
import { connect as connectNet } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ServeRun } from "../../../src/index.js";
import { endpoint, ownAddress } from "../../support/address.js";
import { explainRun } from "../../support/library.js";
import { startClient, startForeignServer, startServer } from "../../support/peers.js";
import { until, within } from "../../support/until.js";

const serving = (options = {}) => startServer({ at: `tls://${ownAddress()}:0`, mode: "echo", ...options });
const at = (server: ServeRun) => `tls://${endpoint(server.address)}`;

/** Opens a raw connection and records the received bytes and whether it has ended. */
function dial({ address }: ServeRun, bytes: string | Buffer) {
  const seen = { text: Buffer.alloc(0), hasEnded: false };
  const socket = connectNet(address.port, address.ip, () => socket.write(bytes));
  socket.on("data", (data) => {
    seen.text = Buffer.concat([seen.text, data]);
  });
  socket
    .on("error", () => undefined)
    .on("close", () => {
      seen.hasEnded = true;
    });
  onTestFinished(() => {
    socket.destroy();
  });
  return seen;
}

const untilEnded = (seen: { hasEnded: boolean }) =>
  until(
    "the server to end it",
    () => seen,
    ({ hasEnded }) => hasEnded,
  );

describe("sessions", () => {
  it.each(["1.2", "1.3"] as const)("of TLS %s are resumed, and both sides count them", async (tlsVersion) => {
    const server = await serving({ tlsResume: true });
    // One at a time: the other connections can use the first one's session.
    const options = {
      connections: 12,
      concurrency: 1,
      message: "x",
      messageRatePerSec: 20,
      durationMs: 200,
      tlsVersion,
    };
    const run = await startClient({ to: at(server), insecure: true, tlsResume: true, ...options });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({ outcome: "met", tls: { secured: 12 } });
    expect(result.tls!.resumed).toBeGreaterThanOrEqual(10);
    expect((await server.stop()).tls).toEqual({ secured: result.tls!.secured, resumed: result.tls!.resumed });
  });

  it("are not resumed unless both sides want it", async () => {
    for (const [server, tlsResume] of [
      [await serving({ tlsResume: true }), false],
      [await serving(), true],
    ] as const) {
      const options = { connections: 6, concurrency: 1, durationMs: 0, insecure: true, tlsResume };
      const run = await startClient({ to: at(server), ...options });
      expect((await within("the end", run.done)).tls).toEqual({ secured: 6, resumed: 0, unannounced: 0 });
    }
  });
});

describe("what the sides negotiate", () => {
  it("is a version and ciphers", async () => {
    const server = await serving({ tlsVersion: "1.2", ciphers: "ECDHE-ECDSA-CHACHA20-POLY1305" });
    const meets = async (options: object) => {
      const run = await startClient({ to: at(server), connections: 2, durationMs: 0, insecure: true, ...options });
      return within("the end", run.done);
    };
    expect(await meets({})).toMatchObject({ outcome: "met" });
    const version = await meets({ tlsVersion: "1.3" });
    expect(version.failures).toEqual([{ phase: "tls", errno: "ALERT_PROTOCOL_VERSION", count: 2 }]);
    expect((await explainRun(version)).finding).toMatchObject({ limit: "tls-version" });
    const cipher = await meets({ tlsVersion: "1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" });
    expect(cipher.failures).toEqual([{ phase: "tls", errno: "ALERT_HANDSHAKE_FAILURE", count: 2 }]);
    const { failures } = await server.stop();
    expect(failures.map(({ errno }) => errno).sort()).toEqual(["NO_SHARED_CIPHER", "UNSUPPORTED_PROTOCOL"]);
  });

  it("is a protocol, if ALPN offers any", async () => {
    const server = await serving({ alpn: ["mqtt", "http/1.1"] });
    const meets = async (alpn: string[]) => {
      const run = await startClient({ to: at(server), connections: 2, durationMs: 0, insecure: true, alpn });
      return within("the end", run.done);
    };
    expect(await meets(["h2", "http/1.1"])).toMatchObject({ outcome: "met" });
    expect(await meets([])).toMatchObject({ outcome: "met" });
    const none = await meets(["h2"]);
    expect(none.failures).toEqual([{ phase: "tls", errno: "ALERT_NO_APPLICATION_PROTOCOL", count: 2 }]);
    expect((await explainRun(none)).finding).toMatchObject({ limit: "alpn", whose: "local" });
  });
});

describe("TLS and plain text", () => {
  it("of a server that greets in plain text is reported", async () => {
    const { ip, port } = await startForeignServer((socket) =>
      socket.write("220 mail.example.org ESMTP ready, and more\r\n"),
    );
    const run = await startClient({ to: `tls://${ip}:${port}`, connections: 2, durationMs: 0, insecure: true });
    const result = await within("the end", run.done);
    expect(result.failures).toEqual([{ phase: "tls", errno: "WRONG_VERSION_NUMBER", count: 2 }]);
    expect((await explainRun(result)).finding).toMatchObject({
      limit: "address",
      meaning: expect.stringContaining("plain-text"),
    });
  });

  it("of a server that sends nothing ends at the timeout", async () => {
    const { ip, port } = await startForeignServer();
    const options = { connections: 2, durationMs: 0, insecure: true, handshakeTimeoutMs: 300 };
    const result = await within("the end", (await startClient({ to: `tls://${ip}:${port}`, ...options })).done);
    expect(result).toMatchObject({ established: 2, failures: [{ phase: "tls", errno: "ETIMEDOUT", count: 2 }] });
    expect((await explainRun(result)).finding).toMatchObject({ limit: "peer-silent" });
  });

  it("of a server that closes is a handshake failure", async () => {
    const { ip, port } = await startForeignServer((socket) => socket.end());
    const run = await startClient({ to: `tls://${ip}:${port}`, connections: 1, durationMs: 0, insecure: true });
    const { failures } = await within("the end", run.done);
    expect(failures).toEqual([{ phase: "tls", errno: expect.stringMatching(/^FIN|ECONNRESET$/), count: 1 }]);
  });

  it.each([
    ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP_REQUEST"],
    ["hello, is this plain text?\n", "WRONG_VERSION_NUMBER"],
    [Buffer.alloc(2000, 0x80), "WRONG_VERSION_NUMBER"],
  ])("of a client of our server is refused with an alert (%#)", async (bytes, errno) => {
    const server = await serving();
    const seen = dial(server, bytes);
    await untilEnded(seen);
    expect((await server.stop()).failures).toEqual([{ phase: "tls", errno: expect.any(String), count: 1 }]);
    if (typeof bytes === "string") expect((await server.stop()).failures[0]!.errno).toBe(errno);
  });
});

describe("hostile clients", () => {
  it("with incomplete handshakes are given up, and others are served meanwhile", async () => {
    const server = await serving({ handshakeTimeoutMs: 400 });
    // The first bytes of a 512-byte ClientHello.
    const halves = Array.from({ length: 20 }, () => dial(server, Buffer.from("16030102000100", "hex")));
    const silent = dial(server, "");
    const run = await startClient({ to: at(server), connections: 5, durationMs: 0, insecure: true });
    expect(await within("the end", run.done)).toMatchObject({ outcome: "met" });
    for (const seen of [...halves, silent]) await untilEnded(seen);
    // It counts a close after it has made it.
    await until("all are counted", () => server.snapshot().open === 0);
    const { failures, openAtStop } = await server.stop();
    expect([openAtStop, failures]).toEqual([0, [{ phase: "tls", errno: "ETIMEDOUT", count: 21 }]]);
  });

  it("that send oversized records or endless handshakes are disconnected", async () => {
    const server = await serving();
    const tooLong = dial(server, Buffer.from("160301ffff", "hex"));
    // A ClientHello that claims 16 MiB and does not end.
    const record = Buffer.concat([
      Buffer.from("1603014000", "hex"),
      Buffer.from("01ffffff", "hex"),
      Buffer.alloc(16_380),
    ]);
    const endless = dial(server, Buffer.concat(Array.from({ length: 32 }, () => record)));
    await untilEnded(tooLong);
    await untilEnded(endless);
    const { failures } = await server.stop();
    expect(failures.reduce((sum, { count }) => sum + count, 0)).toBe(2);
  });
});
