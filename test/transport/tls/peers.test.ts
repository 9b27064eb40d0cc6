// Tests both sides with foreign peers: openssl's client and server, and nginx and haproxy in front of fourtuple's
// server. Assertions also use what the foreign side saw.
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { explainRun } from "../../../src/index.js";
import { endpoint, ownAddress, ownPort } from "../../support/address.js";
import { Authority, type CertificateFiles } from "../../support/certificates.js";
import { listeningAt } from "../../support/kernel.js";
import { startClient, startServer } from "../../support/peers.js";
import { hasProgram, start } from "../../support/process.js";
import { until, within } from "../../support/until.js";

const ip = ownAddress();
let authority: Authority;
let files: CertificateFiles;

beforeAll(() => {
  authority = new Authority("an authority");
  files = authority.issue("server", [`IP:${ip}`, "DNS:localhost"]);
});

afterAll(() => authority.remove());

function folder(name: string, config: string): string {
  const path = mkdtempSync(join(tmpdir(), "fourtuple-tls-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  writeFileSync(join(path, name), config);
  return path;
}

const listens = (at: { ip: string; port: number }) =>
  until(
    "it listens",
    () => listeningAt(at),
    (count) => count >= 1,
  );

/** Runs an echo load through the server on `port`. */
async function echoes(port: number, options: object = {}) {
  const load = { connections: 20, message: "ping", messageRatePerSec: 10, durationMs: 400, close: "fin" as const };
  const run = await startClient({ to: `tls://${ip}:${port}`, ca: authority.ca, ...load, ...options });
  return within("the end", run.done);
}

describe("our client", () => {
  it.each(["1.2", "1.3"] as const)("works with openssl's server in TLS %s", async (tlsVersion) => {
    const port = ownPort();
    const flags = ["-cert", files.cert, "-key", files.key, "-rev", "-no_ticket"];
    // `-rev` sends each line back reversed.
    start("openssl", ["s_server", "-accept", `${ip}:${port}`, ...flags]);
    await listens({ ip, port });
    const result = await echoes(port, { connections: 1, message: "hello\n", expect: "any", tlsVersion });
    expect(result).toMatchObject({ outcome: "met", losses: [], tls: { secured: 1 } });
    expect(result.traffic.receivedBytes).toBe(result.traffic.sentBytes);
    expect(result.messages!.answered).toBeGreaterThanOrEqual(2);
  });

  it("counts connections that the server ends without close_notify", async () => {
    const server = createServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) }, (socket) => {
      socket.on("error", () => undefined);
      socket.destroy();
    });
    onTestFinished(() => void server.close());
    server.listen(0, ip);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const to = { to: `tls://${ip}:${port}`, ca: authority.ca, connections: 5 };
    const result = await within("the end", (await startClient({ ...to, durationMs: 5000 })).done);
    expect(result).toMatchObject({ lost: 5, losses: [{ errno: "FIN" }], tls: { secured: 5, unannounced: 5 } });
  });

  it("finds the others in the accept queue of a server that serves one at a time", async () => {
    const port = ownPort();
    start("openssl", [
      "s_server",
      "-quiet",
      "-accept",
      `${ip}:${port}`,
      "-cert",
      files.cert,
      "-key",
      files.key,
      "-rev",
    ]);
    await listens({ ip, port });
    const to = { to: `tls://${ip}:${port}`, ca: authority.ca, connections: 4, handshakeTimeoutMs: 1500 };
    const result = await within("the end", (await startClient({ ...to, durationMs: 100 })).done);
    expect(result).toMatchObject({ established: 4, tls: { secured: 1 }, failed: 3 });
    const { finding } = await explainRun(result);
    expect(finding).toMatchObject({ limit: "accept-queue", whose: "peer" });
    expect(finding!.meaning).toMatch(/^openssl \(process \d+\) does not accept them: 3 connections/);
  });

  it.runIf(hasProgram("nginx"))("works with nginx, which sees its name and resumes its sessions", async () => {
    const port = ownPort();
    const path = folder("nginx.conf", nginxConfig(`${ip}:${port}`, files));
    start("nginx", ["-p", path, "-c", join(path, "nginx.conf")]);
    await listens({ ip, port });
    const message = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const tls = { tlsResume: true, serverName: "localhost", alpn: ["http/1.1"] };
    const result = await echoes(port, { concurrency: 1, message, expect: "any", ...tls });
    expect(result).toMatchObject({ outcome: "met", failures: [], losses: [], tls: { secured: 20 } });
    expect(result.messages!.answered).toBeGreaterThanOrEqual(20);
    const logged = () => readFileSync(join(path, "access.log"), "utf8").trim().split("\n");
    // One line per request; the first one of a connection tells how it began.
    const firsts = () => logged().filter((line) => line.startsWith("1 "));
    const lines = await until("all in nginx's log", firsts, ({ length }) => length === 20);
    expect(new Set(lines.map((line) => line.split(" ")[1]))).toEqual(new Set(["localhost/http/1.1"]));
    expect(lines.filter((line) => line.endsWith(" r")).length).toBe(result.tls!.resumed);
    expect(result.tls!.resumed).toBeGreaterThanOrEqual(10);
  });

  it.runIf(hasProgram("haproxy"))("is echoed through haproxy, with the PROXY protocol header before TLS", async () => {
    const backend = await startServer({ at: `${ownAddress()}:0`, mode: "echo" });
    const port = ownPort();
    const path = folder("haproxy.cfg", "");
    const pem = join(path, "both.pem");
    writeFileSync(pem, readFileSync(files.cert, "utf8") + readFileSync(files.key, "utf8"));
    writeFileSync(join(path, "haproxy.cfg"), haproxyConfig(`${ip}:${port}`, endpoint(backend.address), pem));
    start("haproxy", ["-db", "-f", join(path, "haproxy.cfg")]);
    await listens({ ip, port });
    const result = await echoes(port, { proxyProtocol: "v2" });
    expect(result).toMatchObject({ outcome: "met", failures: [], losses: [] });
    // Without the header, haproxy does not accept the connection as a client.
    expect(await echoes(port, { connections: 2 })).toMatchObject({ outcome: "missed", established: 2, ready: 0 });
  });
});

describe("our server", () => {
  const openssl = (port: number, input: string, ...flags: string[]) =>
    start("openssl", ["s_client", "-connect", `${ip}:${port}`, "-CAfile", authority.ca, ...flags], { input });

  it.each(["1_2", "1_3"])("greets openssl's client in TLS %s, which verifies it", async (version) => {
    const { address } = await startServer({ at: `tls://${ip}:0`, ...files, greeting: "hello from us\n" });
    const client = openssl(address.port, "", `-tls${version}`, "-ign_eof", "-verify_return_error", "-verify_ip", ip);
    await client.prints(/hello from us/);
    await client.prints(/Verify return code: 0 \(ok\)/);
    expect(client.isRunning).toBe(true);
  });

  it("echoes what openssl's client sends, negotiates a protocol, and sends close_notify", async () => {
    const options = { ...files, mode: "echo" as const, alpn: ["http/1.1", "mqtt"] };
    const server = await startServer({ at: `tls://${ip}:0`, ...options });
    const client = openssl(server.address.port, "grüße\n", "-ign_eof", "-alpn", "h2,mqtt", "-msg");
    await client.prints(/^grüße$/m);
    expect(client.stdout).toContain("ALPN protocol: mqtt");
    await server.stop();
    await client.prints(/<<< .*Alert .*close_notify/);
    await client.exited();
  });

  it("resumes openssl's sessions on request", async () => {
    const server = await startServer({ at: `tls://${ip}:0`, ...files, tlsResume: true });
    const client = openssl(server.address.port, "", "-tls1_2", "-reconnect");
    await client.exited();
    expect(client.stdout.match(/^Reused, TLSv1.2/gm)?.length).toBe(5);
    expect((await server.stop()).tls).toEqual({ secured: 6, resumed: 5 });
  });

  it("refuses renegotiation, and keeps the connection", async () => {
    const server = await startServer({ at: `tls://${ip}:0`, ...files, mode: "echo" });
    const client = start("openssl", ["s_client", "-connect", endpoint(server.address), "-tls1_2", "-msg"], {
      input: "R\n",
    });
    await client.prints(/no_renegotiation|RENEGOTIATING/);
    await client.exited();
    expect(`${client.stdout}${client.stderr}`).toMatch(/no_renegotiation|no renegotiation/);
    expect((await server.stop()).tls).toEqual({ secured: 1, resumed: 0 });
  });
});

function nginxConfig(listen: string, { cert, key }: CertificateFiles): string {
  return `daemon off; master_process off; error_log error.log; pid pid;
events { worker_connections 1024; }
http {
  log_format tls "$connection_requests $ssl_server_name/$ssl_alpn_protocol $ssl_protocol $ssl_session_reused";
  access_log access.log tls; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen ${listen} ssl;
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    return 200 "hello";
  }
}
`;
}

function haproxyConfig(bind: string, backend: string, pem: string): string {
  return `defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen tls
  bind ${bind} accept-proxy ssl crt ${pem}
  server ours ${backend}
`;
}
