// Tests the client with foreign servers: nginx, haproxy and Node's.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ownAddress, ownPort } from "../../support/address.js";
import { Authority } from "../../support/certificates.js";
import { listeningAt } from "../../support/kernel.js";
import { startNginx } from "../../support/nginx.js";
import { startClient } from "../../support/peers.js";
import { hasProgram, start } from "../../support/process.js";
import { until, within } from "../../support/until.js";

/** Starts Node's server at an address of its own. */
async function startNode(listener: RequestListener) {
  const [ip, port] = [ownAddress(), ownPort()];
  const server = createServer({ keepAliveTimeout: 0 }, listener);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen({ port, host: ip, backlog: 4096 }, resolve));
  return { server, at: `${ip}:${port}` };
}

const run = async (options: Parameters<typeof startClient>[0]) => within("the end", (await startClient(options)).done);

describe("Node's server", () => {
  it("receives requests with method, fields and body, one after another on each connection", async () => {
    const seen = new Map<unknown, number>();
    const bodies = new Set<string>();
    let pipelined = 0;
    const { at } = await startNode((request, response) => {
      const { socket } = request;
      if ((socket as { busy?: boolean }).busy) pipelined++;
      (socket as { busy?: boolean }).busy = true;
      seen.set(socket, (seen.get(socket) ?? 0) + 1);
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        bodies.add(`${request.method} ${request.url} ${request.headers.authorization} ${body}`);
        (socket as { busy?: boolean }).busy = false;
        response.write("in ");
        response.end("chunks");
      });
    });
    const result = await run({
      to: `http://${at}/path?a=b`,
      connections: 20,
      messageRatePerSec: 20,
      durationMs: 1000,
      method: "PUT",
      body: "grüße",
      headers: ["Authorization: Bearer x"],
    });
    expect(result).toMatchObject({ outcome: "met", protocol: "http", ready: 20, failures: [], losses: [] });
    const { messages, responses, latency } = result;
    expect(messages).toMatchObject({ expected: "response", unanswered: 0, missed: 0 });
    expect(responses).toMatchObject({ "2xx": messages!.answered, "4xx": 0, "5xx": 0, statuses: [] });
    expect(latency.handshake!.count).toBe(20);
    expect(latency.roundTrip.count).toBe(messages!.due);
    expect([...bodies]).toEqual(["PUT /path?a=b Bearer x grüße"]);
    expect(pipelined).toBe(0);
    expect(seen.size).toBe(20);
    expect([...seen.values()].reduce((sum, count) => sum + count, 0)).toBe(responses!["2xx"]);
  });

  it("shows its stall in the latency: requests are due on time", async () => {
    let stalledMs = 0;
    let count = 0;
    const { at } = await startNode((_, response) => {
      count++;
      if (count === 100) {
        const began = performance.now();
        while (performance.now() - began < 1000);
        stalledMs = performance.now() - began;
      }
      response.end("ok");
    });
    const result = await run({ to: `http://${at}`, connections: 10, messageRatePerSec: 20, durationMs: 3000 });
    expect(result.messages).toMatchObject({ unanswered: 0, missed: 0 });
    // About 200 of the 600 requests were due in that second, including the 99th percentile.
    expect(stalledMs).toBeGreaterThanOrEqual(1000);
    expect(result.latency.roundTrip.p99Us).toBeGreaterThan(700_000);
    expect(result.latency.roundTrip.count).toBe(result.messages!.due);
  });

  it("is described correctly when it closes, fails, or does not answer in time", async () => {
    const { at } = await startNode((request, response) => {
      if (request.url === "/close") response.setHeader("Connection", "close").end("ok");
      else if (request.url === "/busy") response.writeHead(503, { "Retry-After": "7" }).end();
      else if (request.url === "/moved") response.writeHead(301, { Location: "https://example.com/" }).end();
      else if (request.url === "/silent") return;
      else if (request.url === "/cut") response.write("some", () => request.socket.destroy());
    });
    const failing = async (path: string, options = {}) => {
      const result = await run({ to: `http://${at}${path}`, connections: 5, ...options });
      expect(result.outcome).toBe("missed");
      return { ...result, finding: result.diagnosis!.finding! };
    };
    const closed = await failing("/close");
    expect(closed.losses).toEqual([{ phase: "hold", errno: "CONNECTION_CLOSE", count: 5 }]);
    expect(closed.finding).toMatchObject({ limit: "keep-alive", meaning: expect.stringContaining("one response") });
    const busy = await failing("/busy");
    expect(busy.failures).toEqual([{ phase: "request", errno: "HTTP 503", count: 5 }]);
    expect(busy.finding.evidence.at(-1)).toMatch(/^the server asks to wait 7(\.00)? s \(Retry-After\)$/);
    const moved = await failing("/moved");
    expect(moved.finding).toMatchObject({ limit: "address", fix: "use https:// in the address" });
    const silent = await failing("/silent", { handshakeTimeoutMs: 300 });
    expect(silent.failures).toEqual([{ phase: "request", errno: "ETIMEDOUT", count: 5 }]);
    expect(silent.finding.limit).toBe("peer-silent");
    const cut = await failing("/cut");
    expect([...cut.losses, ...cut.failures].every(({ errno }) => errno === "CUT_SHORT" || errno === "ECONNRESET")).toBe(
      true,
    );
  });

  it("is connected to and closed for every request with --close-after-response", async () => {
    const sockets = new Set<unknown>();
    const fields = new Set<unknown>();
    const { at } = await startNode((request, response) => {
      sockets.add(request.socket);
      fields.add(request.headers.connection);
      response.end("ok");
    });
    const result = await run({ to: `http://${at}`, connections: 200, concurrency: 10, closeAfterResponse: true });
    expect(result).toMatchObject({ outcome: "met", established: 200, ready: 200, lost: 0, openAtStop: 0 });
    expect(sockets.size).toBe(200);
    expect([...fields]).toEqual(["close"]);
  });
});

describe.runIf(hasProgram("nginx"))("nginx", () => {
  it("keeps connections alive: its log has every request of each", async () => {
    const nginx = await startNginx("location / { return 200 hello; }");
    const result = await run({ to: `http://${nginx.at}/x`, connections: 50, messageRatePerSec: 20, durationMs: 1000 });
    expect(result).toMatchObject({ outcome: "met", ready: 50, lost: 0 });
    await until("its log is written", () => nginx.requests().length >= result.responses!["2xx"]);
    const lines = nginx.requests();
    expect(lines).toHaveLength(result.responses!["2xx"]);
    expect(new Set(lines.map((line) => line.split(" ")[0])).size).toBe(50);
    expect(lines.every((line) => line.endsWith("GET /x HTTP/1.1 200"))).toBe(true);
  });

  it("closes connections after a number of requests, which the diagnosis reports", async () => {
    const { at } = await startNginx("keepalive_requests 5; location / { return 200 hello; }");
    const options = { connections: 10, messageRatePerSec: 50, durationMs: 5000, reopen: false };
    const result = await run({ to: `http://${at}`, ...options });
    expect(result).toMatchObject({
      outcome: "missed",
      lost: 10,
      losses: [{ phase: "hold", errno: "CONNECTION_CLOSE", count: 10 }],
      responses: { "2xx": 50 },
    });
    const { meaning, fix } = result.diagnosis!.finding!;
    expect(meaning).toContain("after 5 requests");
    expect(fix).toContain("keepalive_requests");
  });

  it("limits the request rate, which the diagnosis reports", async () => {
    // Serve a file, because "return" answers before the limit applies.
    const nginx = await startNginx(
      "limit_req zone=one burst=10 nodelay; limit_req_status 429; location / { root .; try_files /nginx.conf =404; }",
      "limit_req_zone $request_method zone=one:1m rate=1r/s;",
    );
    const result = await run({ to: `http://${nginx.at}`, connections: 4, messageRatePerSec: 20, durationMs: 1000 });
    expect(result).toMatchObject({ outcome: "missed", ready: 4, lost: 0 });
    expect(result.responses!.statuses).toEqual([
      { phase: "response", errno: "HTTP 429", count: result.responses!["4xx"] },
    ]);
    expect(result.misses).toContainEqual(expect.objectContaining({ kind: "errors", count: result.responses!["4xx"] }));
    expect(result.diagnosis!.finding).toMatchObject({ limit: "peer-rate", whose: "peer" });
    expect(nginx.requests().filter((line) => line.endsWith(" 429"))).toHaveLength(result.responses!["4xx"]);
  });

  it("answers 400 on its TLS port, which the diagnosis explains", async () => {
    const authority = new Authority("our own");
    onTestFinished(() => authority.remove());
    const { cert, key } = authority.issue("server", ["DNS:localhost"]);
    const nginx = await startNginx(
      `ssl_certificate ${cert}; ssl_certificate_key ${key}; location / { return 200; }`,
      "",
      "ssl",
    );
    const plain = await run({ to: `http://${nginx.at}`, connections: 3 });
    expect(plain.failures).toEqual([{ phase: "request", errno: "HTTP 400", count: 3 }]);
    expect(plain.diagnosis!.finding!.fix).toContain("https://");
    const options = { connections: 20, messageRatePerSec: 10, durationMs: 500, insecure: true };
    const secure = await run({ to: `https://${nginx.at}`, ...options });
    expect(secure).toMatchObject({ outcome: "met", ready: 20, tls: { secured: 20 } });
    const other = await startNginx("location / { return 200; }");
    const wrong = await run({ to: `https://${other.at}`, connections: 3 });
    expect(wrong.diagnosis!.finding).toMatchObject({ limit: "address" });
    expect(wrong.diagnosis!.finding!.fix).toContain("http://");
  });
});

describe.runIf(hasProgram("haproxy"))("haproxy", () => {
  it("answers 503 without a server behind it, and can be measured with one", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-haproxy-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "haproxy.cfg");
    writeFileSync(
      file,
      `defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend all
  bind ${ip}:${port} backlog 4096
  http-request return status 200 content-type text/plain string hello if { path /hello }
  default_backend none
backend none
`,
    );
    start("haproxy", ["-db", "-f", file]);
    await until("haproxy listens", () => listeningAt({ ip, port }) === 1);
    const without = await run({ to: `http://${ip}:${port}/`, connections: 5 });
    expect(without.failures).toEqual([{ phase: "request", errno: "HTTP 503", count: 5 }]);
    expect(without.diagnosis!.finding).toMatchObject({ limit: "peer-maximum", whose: "peer" });
    const fed = await run({ to: `http://${ip}:${port}/hello`, connections: 5, messageRatePerSec: 20, durationMs: 500 });
    expect(fed).toMatchObject({ outcome: "met", ready: 5, lost: 0 });
  });
});
