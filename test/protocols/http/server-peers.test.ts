// Tests the server with curl, Node's client, nginx as a proxy, and fourtuple's client.
import { Agent, get } from "node:http";
import { expect, it } from "vitest";
import { endpoint, ownAddress } from "../../support/address.js";
import { startNginx } from "../../support/nginx.js";
import { startClient, startServer } from "../../support/peers.js";
import { hasProgram, start } from "../../support/process.js";
import { until, within } from "../../support/until.js";

const hasCurl = hasProgram("curl");

async function startOurs(options: Parameters<typeof startServer>[0] & { path?: string; scheme?: string } = {}) {
  const { path = "", scheme = "http", ...rest } = options;
  const server = await startServer({ at: `${scheme}://${ownAddress()}:0${path}`, ...rest });
  return { server, at: `${scheme}://${endpoint(server.address)}` };
}

const curl = async (...args: string[]) => {
  const { stdout, code } = await start("curl", ["-s", "--max-time", "20", ...args]).exited();
  return { stdout, code };
};

it.runIf(hasCurl)("answers curl on one connection, sends no body for HEAD, and respects its path", async () => {
  const { server, at } = await startOurs({ path: "/a", body: "hello", status: 201 });
  const answered = await curl("-w", " %{http_code} %{num_connects}\n", `${at}/a`, `${at}/a`, `${at}/b`);
  expect(answered.stdout).toBe("hello 201 1\nhello 201 0\nnot found\n 404 0\n");
  expect((await curl("-I", `${at}/a`)).stdout).toMatch(/^HTTP\/1\.1 201 Created\r\n[\s\S]*Content-Length: 5\r\n/);
  const result = await within("the end", server.stop());
  expect(result).toMatchObject({ protocol: "http", accepted: 2, ready: 2, failures: [] });
  expect(result.responses).toEqual({ "1xx": 0, "2xx": 3, "3xx": 0, "4xx": 1, "5xx": 0 });
});

it.runIf(hasCurl)("adds headers to each response, which may replace its own", async () => {
  const headers = ["Server: test", "content-type: application/json", "Retry-After: 5"];
  for (const [options, length] of [
    [{ body: "{}" }, 2],
    [{ mode: "echo", status: 503 }, 3],
  ] as const) {
    const { at } = await startOurs({ headers, path: "/a", ...options });
    const { stdout } = await curl("-i", "-d", "[1]", `${at}/a`);
    expect(stdout).toContain(`Content-Length: ${length}\r\nConnection: keep-alive\r\n${headers.join("\r\n")}\r\n\r\n`);
    expect(stdout.match(/content-type/gi)).toHaveLength(1);
    expect((await curl("-i", `${at}/b`)).stdout).toContain("Server: test");
  }
  const events = await startOurs({ headers, eventIntervalMs: 50, body: "tick" });
  const { stdout } = await curl("-i", "--http1.0", "--max-time", "1", events.at);
  expect(stdout).toContain("Server: test");
});

it("refuses headers that it sets itself", async () => {
  for (const name of ["Content-Length", "connection", "Transfer-Encoding"]) {
    await expect(startOurs({ headers: [`${name}: x`] })).rejects.toThrow(`the server sets ${name} itself`);
  }
  const at = `ws://${ownAddress()}:0`;
  await expect(startServer({ at, headers: ["Sec-WebSocket-Accept: x"] })).rejects.toThrow("sets Sec-WebSocket-Accept");
  await expect(startServer({ headers: ["A: b"] })).rejects.toThrow("--header requires WebSocket or HTTP");
});

it.runIf(hasCurl)("echoes what curl sends: with a length, in chunks, and after 100 Continue", async () => {
  const { server, at } = await startOurs({ mode: "echo", maxMessageBytes: 4 * 1024 * 1024 });
  const long = "0123456789".repeat(200_000);
  const sent = async (...args: string[]) =>
    start("curl", ["-s", "--max-time", "20", ...args, "--data-binary", "@-", at], { input: long }).exited();
  expect((await sent()).stdout === long).toBe(true);
  expect((await sent("-H", "Transfer-Encoding: chunked")).stdout === long).toBe(true);
  const verbose = await sent("-v", "-H", "Expect: 100-continue");
  expect(verbose.stdout === long).toBe(true);
  expect(verbose.stderr).toContain("HTTP/1.1 100 Continue");
  const { responses } = await within("the end", server.stop());
  expect(responses).toMatchObject({ "2xx": 3, "4xx": 0 });
});

it.runIf(hasCurl)("refuses curl's invalid requests with a status", async () => {
  const { server, at } = await startOurs({ maxMessageBytes: 1000 });
  const status = async (...args: string[]) => (await curl("-o", "/dev/null", "-w", "%{http_code}", ...args, at)).stdout;
  expect(await status("-d", "x".repeat(1001))).toBe("413");
  expect(await status("-H", `X: ${"y".repeat(17_000)}`)).toBe("431");
  expect(await status("-H", "Content-Length: 3", "-H", "Transfer-Encoding: chunked", "-d", "a=b")).toBe("400");
  expect(await status("-H", "Expect: tea")).toBe("417");
  const { failures } = await within("the end", server.stop());
  expect(failures.map(({ phase, errno }) => `${phase} ${errno}`).sort()).toEqual(
    ["400", "413", "417", "431"].map((code) => `request HTTP ${code}`),
  );
});

it.runIf(hasCurl)("sends events to curl over HTTP/1.1 and 1.0, until it stops", async () => {
  const { server, at } = await startOurs({ eventIntervalMs: 50, body: "tick" });
  const streams = ["--http1.1", "--http1.0"].map((version) => start("curl", ["-sN", "--max-time", "60", version, at]));
  for (const stream of streams) await stream.prints(/^(data: tick\n\n){3}/);
  await within("the end", server.stop());
  expect((await streams[0]!.exited()).code).toBe(0);
});

it("keeps Node's connections alive, and holds a response back", async () => {
  const { server, at } = await startOurs({ delayMs: 400 });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const fetchOnce = () =>
    new Promise<string>((resolve, reject) => {
      get(at, { agent }, (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () => resolve(text));
      }).on("error", reject);
    });
  const began = performance.now();
  for (let n = 0; n < 3; n++) expect(await within("a response", fetchOnce())).toBe("hello");
  expect(performance.now() - began).toBeGreaterThanOrEqual(1100);
  agent.destroy();
  expect(await within("the end", server.stop())).toMatchObject({ accepted: 1, ready: 1, responses: { "2xx": 3 } });
});

it.runIf(hasProgram("nginx"))("serves our client through nginx, which keeps its connections to us", async () => {
  const { server, at } = await startOurs({ mode: "echo" });
  const nginx = await startNginx(
    'location / { proxy_pass http://us; proxy_http_version 1.1; proxy_set_header Connection ""; }',
    `upstream us { server ${at.replace("http://", "")}; keepalive 100; }`,
  );
  const to = `http://${nginx.at}/echo`;
  const options = { to, connections: 50, messageRatePerSec: 20, durationMs: 1000, method: "POST", body: "ping" };
  const result = await within("the end", (await startClient(options)).done);
  expect(result).toMatchObject({ outcome: "met", ready: 50, lost: 0, messages: { unanswered: 0, missed: 0 } });
  const { accepted, responses } = await within("the end", server.stop());
  expect(responses!["2xx"]).toBe(result.responses!["2xx"]);
  expect(accepted).toBeLessThan(responses!["2xx"] / 2);
  const without = await within("the end", (await startClient({ ...options, connections: 5 })).done);
  expect(without).toMatchObject({
    outcome: "missed",
    ready: 5,
    failures: [],
    responses: { statuses: [{ phase: "response", errno: "HTTP 502" }] },
    diagnosis: { finding: { limit: "backend", whose: "peer" } },
  });
});

it("serves our client over TLS, which is ready with an event stream", async () => {
  const { server, at } = await startOurs({ scheme: "https", eventIntervalMs: 100 });
  const run = await startClient({ to: at, connections: 20, durationMs: 1000, insecure: true });
  const result = await within("the end", run.done);
  expect(result).toMatchObject({ outcome: "met", ready: 20, tls: { secured: 20 }, responses: { "2xx": 20 } });
  const { heartbeats } = await within("the end", server.stop());
  expect(heartbeats!.sent).toBeGreaterThan(20);
});

it("prints the response body of a single connection", async () => {
  const { at } = await startOurs({ body: "hello", closeAfterGreeting: true });
  const run = await startClient({ to: at });
  const texts: string[] = [];
  run.on("received", (text) => texts.push(text));
  expect(await within("the end", run.done)).toMatchObject({ outcome: "met", ready: 1 });
  expect(texts.join("")).toBe("hello");
});

it("holds as many connections as requested without further requests, and loses none", async () => {
  const { server, at } = await startOurs();
  const run = await startClient({ to: at, connections: 500, durationMs: Number.POSITIVE_INFINITY });
  await run.ready;
  await until("all are ready there", () => server.snapshot().ready === 500);
  const result = await within("the end", run.stop());
  expect(result).toMatchObject({ outcome: "met", ready: 500, openAtStop: 500, responses: { "2xx": 500 } });
});
