// Tests how a run reports refusals by real servers in each protocol. The result, the summary and the page show failures
// by phase and code, whose limit it is, and what to do.
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import { connectPage } from "../../src/output/html/connect-page.js";
import { escapeXml } from "../../src/output/html/escape.js";
import { connectSummary } from "../../src/output/text/connect-summary.js";
import type { ConnectOptions } from "../../src/planning/connect-options.js";
import { ownAddress } from "../support/address.js";
import { Authority } from "../support/certificates.js";
import { startClient, startForeignServer } from "../support/peers.js";
import { until, within } from "../support/until.js";
import { agreementTo, closing, frame } from "../support/websocket.js";

const CONNECTIONS = 3;
const authority = new Authority("refusals");
afterAll(() => authority.remove());
const ip = ownAddress();
const certificate = authority.issue("gateway", [`IP:${ip}`]);

type Serve = (socket: Socket) => void;
/** Answers a client's first bytes and closes. */
const answer =
  (bytes: string): Serve =>
  (socket) =>
    socket.once("data", () => socket.end(Buffer.from(bytes, "latin1")));
const status = (line: string, fields = ""): Serve => answer(`HTTP/1.1 ${line}\r\n${fields}Content-Length: 0\r\n\r\n`);
/** Accepts the upgrade, then closes with this code. */
const close =
  (code: number): Serve =>
  (socket) =>
    socket.once("data", (request) => {
      socket.end(Buffer.from(agreementTo(`${request}`) + frame(8, closing(code)), "latin1"));
    });
const connack = (...bytes: number[]): Serve => answer(`\x20${String.fromCharCode(bytes.length, ...bytes)}`);
const alert = (code: number): Serve => answer(`\x15\x03\x03\0\x02\x02${String.fromCharCode(code)}`);
const INSECURE = { insecure: true };
const V3 = { mqttVersion: "3.1.1" } as const;

interface Case {
  readonly server: Serve | "tls";
  readonly scheme: string;
  readonly options?: Partial<ConnectOptions>;
  readonly phase: string;
  readonly errno: string;
  readonly limit: string;
  readonly whose: "peer" | "local";
  /** Text that the fix contains. */
  readonly fix: RegExp;
}

const row = (
  scheme: string,
  server: Case["server"],
  [phase, errno]: readonly [string, string],
  [limit, whose]: readonly [string, Case["whose"]],
  fix: RegExp,
  options: Partial<ConnectOptions> = {},
): [string, Case] => [`${errno} (${scheme})`, { scheme, server, phase, errno, limit, whose, fix, options }];

const CASES: [string, Case][] = [
  row("ws", status("503 Busy"), ["upgrade", "HTTP 503"], ["peer-maximum", "peer"], /limit_conn/),
  row("ws", status("429 Slow down"), ["upgrade", "HTTP 429"], ["peer-rate", "peer"], /--connect-rate/),
  row("http", status("503 Busy", "Retry-After: 3\r\n"), ["request", "HTTP 503"], ["peer-maximum", "peer"], /maxconn/),
  row("http", status("429 Slow down"), ["request", "HTTP 429"], ["peer-rate", "peer"], /limit_req/),
  row(
    "mqtt",
    connack(0, 136, 0),
    ["connack", "CONNACK SERVER_UNAVAILABLE"],
    ["peer-maximum", "peer"],
    /max_connections/,
  ),
  row(
    "mqtt",
    connack(0, 3),
    ["connack", "CONNACK SERVER_UNAVAILABLE"],
    ["peer-maximum", "peer"],
    /max_connections/,
    V3,
  ),
  row("mqtt", connack(0, 151, 0), ["connack", "CONNACK QUOTA_EXCEEDED"], ["peer-quota", "peer"], /quota/),
  row(
    "mqtt",
    connack(0, 159, 0),
    ["connack", "CONNACK CONNECTION_RATE_EXCEEDED"],
    ["peer-rate", "peer"],
    /--connect-rate/,
  ),
  row("ws", close(1008), ["hold", "CLOSE 1008"], ["policy", "peer"], /Authorization/),
  row("ws", close(1011), ["hold", "CLOSE 1011"], ["peer-fault", "peer"], /log/),
  row("ws", close(1013), ["hold", "CLOSE 1013"], ["peer-maximum", "peer"], /--connect-rate/),
  row("wss", status("400 Bad"), ["tls", "WRONG_VERSION_NUMBER"], ["address", "local"], /ws:\/\//, INSECURE),
  row("mqtts", answer(""), ["tls", "FIN"], ["refused", "peer"], /plain text/, INSECURE),
  row("ws", "tls", ["upgrade", "FIN"], ["refused", "peer"], /TLS/),
  row("http", "tls", ["request", "FIN"], ["refused", "peer"], /https:\/\//),
  row("mqtt", "tls", ["connack", "FIN"], ["refused", "peer"], /mqtts:\/\//),
  row("wss", "tls", ["tls", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"], ["certificate", "local"], /--ca/),
  row("wss", "tls", ["tls", "HOSTNAME_MISMATCH"], ["certificate", "peer"], /--servername/, {
    ca: authority.ca,
    serverName: "other.example",
  }),
  row("tls", alert(112), ["tls", "ALERT_UNRECOGNIZED_NAME"], ["address", "local"], /--servername/, INSECURE),
  row("tls", alert(120), ["tls", "ALERT_NO_APPLICATION_PROTOCOL"], ["alpn", "local"], /--alpn/, INSECURE),
  row("tls", alert(40), ["tls", "ALERT_HANDSHAKE_FAILURE"], ["tls-version", "local"], /--cert/, INSECURE),
  row("tls", alert(80), ["tls", "ALERT_INTERNAL_ERROR"], ["peer-fault", "peer"], /log/, INSECURE),
];

async function serve(server: Case["server"]): Promise<string> {
  if (server !== "tls") return (await startForeignServer(server)).at;
  const context = createTlsServer({ cert: readFileSync(certificate.cert), key: readFileSync(certificate.key) });
  // Wraps each connection as it is accepted.
  return (await startForeignServer((socket) => context.emit("connection", socket))).at;
}

describe("a refusal", () => {
  it.each(CASES)("is named, explained and shown: %s", async (_, { server, scheme, options, ...expected }) => {
    const { phase, errno, limit, whose, fix } = expected;
    const to = `${scheme}://${await serve(server)}`;
    // Hold for longer than a server takes to close connections that were ready.
    const run = await startClient({ to, connections: CONNECTIONS, durationMs: 2000, close: "fin", ...options });
    const result = await within("the end", run.done);
    const isReady = phase === "hold";
    const counted = [{ phase, errno, count: CONNECTIONS }];
    expect(result).toMatchObject({
      established: CONNECTIONS,
      ready: isReady ? CONNECTIONS : 0,
      failures: isReady ? [] : counted,
      losses: isReady ? counted : [],
    });
    const finding = result.diagnosis!.finding!;
    expect(finding).toMatchObject({ limit, whose, fix: expect.stringMatching(fix) });
    const evidence = `${CONNECTIONS} × ${errno} (${phase})`;
    expect(finding.evidence[0]).toBe(evidence);
    const explained = { ...result, diagnosis: result.diagnosis! };
    const text = connectSummary(explained);
    expect(text).toContain(evidence);
    expect(text).toContain(finding.meaning);
    // With plain TCP over TLS, a connection is ready after its handshake.
    const ready =
      scheme === "tls" ? /^ {2}TLS +0 handshakes$/m : new RegExp(`^ {2}ready +${isReady ? CONNECTIONS : 0} `, "m");
    expect(text).toMatch(ready);
    const page = connectPage(explained);
    for (const shown of [errno, finding.meaning, finding.fix]) expect(page).toContain(escapeXml(shown));
  });
});

describe("a port that expects TLS", () => {
  const message = { message: "hello\n", messageRatePerSec: 20 };

  it.each([
    ["tcp", message, /tls:\/\//],
    ["mqtt", {}, /mqtts:\/\//],
    ["http", {}, /https:\/\//],
    ["ws", {}, /wss:\/\//],
  ] as const)("is named if it answers with an alert: %s", async (scheme, options, fix) => {
    // As rustls and Java do: unexpected_message.
    const alert = Buffer.from("1503030002020a", "hex");
    const { at } = await startForeignServer((socket) => socket.once("data", () => socket.end(alert)));
    const run = await startClient({ to: `${scheme}://${at}`, connections: CONNECTIONS, durationMs: 2000, ...options });
    const { tlsAlerts, diagnosis } = await within("the end", run.done);
    expect(tlsAlerts).toBe(CONNECTIONS);
    expect(diagnosis!.finding).toMatchObject({ limit: "address", whose: "local", fix: expect.stringMatching(fix) });
    expect(diagnosis!.finding!.meaning).toContain("the server speaks TLS on this port");
  });

  it("is a possible cause if it closes at a message, as OpenSSL does", async () => {
    const at = await serve("tls");
    const run = await startClient({ to: at, connections: CONNECTIONS, durationMs: 2000, ...message });
    const { tlsAlerts, diagnosis, lost } = await within("the end", run.done);
    expect([tlsAlerts, lost]).toEqual([0, CONNECTIONS]);
    expect(diagnosis!.finding).toMatchObject({ limit: "address", fix: expect.stringContaining("TLS (tls://)") });
  });

  it("is not suspected of a server that sends an alert's bytes later", async () => {
    // A complete answer each, so that the client reads them one at a time.
    const bytes = Buffer.from("1503030002020a", "hex");
    const { at } = await startForeignServer((socket) => {
      let answers = 0;
      socket.on("data", () => socket.write(answers++ === 0 ? Buffer.alloc(bytes.length) : bytes));
    });
    const options = { ...message, expect: { bytes: bytes.length } };
    const run = await startClient({ to: at, connections: 2, durationMs: Number.POSITIVE_INFINITY, ...options });
    await until("later answers", () => run.snapshot().answeredMessages >= 6);
    const { tlsAlerts } = await within("the end", run.stop());
    expect(tlsAlerts).toBe(0);
  });

  it("is not blamed for the failures if few of the connections received an alert", async () => {
    let accepted = 0;
    const bytes = Buffer.from("1503030002020a", "hex");
    const { at } = await startForeignServer((socket) => {
      const isFirst = accepted++ === 0;
      socket.once("data", () => socket.end(isFirst ? bytes : ""));
    });
    const run = await startClient({ to: at, connections: CONNECTIONS, durationMs: 2000, ...message });
    const { tlsAlerts, lost, diagnosis } = await within("the end", run.done);
    expect([tlsAlerts, lost]).toEqual([1, CONNECTIONS]);
    expect(diagnosis!.finding?.meaning).not.toContain("it answered with TLS alerts");
  });

  it("is not suspected of a server that answers with the same bytes within others", async () => {
    const bytes = Buffer.from("1503030002020a21", "hex");
    const { at } = await startForeignServer((socket) => socket.on("data", () => socket.write(bytes)));
    const options = { ...message, expect: { bytes: bytes.length } };
    const run = await startClient({ to: at, connections: 2, durationMs: 300, ...options });
    const { tlsAlerts, messages } = await within("the end", run.done);
    expect(messages!.answered).toBeGreaterThan(0);
    expect(tlsAlerts).toBe(0);
  });
});
