// Tests `--metrics` on serve, connect and lab: what is served agrees with the run and with the documented tables.
import { expect, it } from "vitest";
import { connect, serve, serveMetrics } from "../../dist/index.js";
import { ownAddress } from "../support/address.js";
import { expectDocumented } from "../support/metric-tables.js";
import { startForeignServer } from "../support/peers.js";
import { runCli, startCli, type TestProcess } from "../support/process.js";
import { metricsUrl, sampleOf, scrape } from "../support/scrape.js";
import { until } from "../support/until.js";

const CONNECTIONS = 40;
const METRICS = ["--metrics", "127.0.0.1:0"];

async function startServe(...args: string[]): Promise<{ server: TestProcess; url: string; at: string }> {
  const server = startCli(["serve", `${ownAddress()}:0`, ...METRICS, ...args]);
  const [, at] = await server.prints(/listening on (\S+)/);
  return { server, url: await metricsUrl(server), at: at! };
}

it("both ends count the same connections and messages, and the client its failures by cause", async () => {
  const { url: serverUrl, at } = await startServe("--mode", "echo");
  const refusing = `${ownAddress()}:9`;
  const line = ["connect", at, refusing, "-c", `${2 * CONNECTIONS}`, "-m", "ping", "-r", "1", "-T", "forever"];
  const client = startCli([...line, ...METRICS]);
  const url = await metricsUrl(client);
  const isAnswered = (seen: string) =>
    sampleOf(seen, "fourtuple_connect_answering_connections_total") === CONNECTIONS &&
    sampleOf(seen, "fourtuple_connect_failed_total") === CONNECTIONS;
  const text = await until("an answer on each connection", () => scrape(url), isAnswered);
  // The client may receive an answer before the server has counted its bytes.
  const ofServer = await until(
    "all bytes at the server",
    () => scrape(serverUrl),
    (seen) => sampleOf(seen, "fourtuple_serve_received_bytes_total")! >= CONNECTIONS * "ping".length,
  );
  expect(sampleOf(text, "fourtuple_connect_open")).toBe(CONNECTIONS);
  expect(sampleOf(ofServer, "fourtuple_serve_open")).toBe(CONNECTIONS);
  expect(sampleOf(ofServer, "fourtuple_serve_accepted_total")).toBe(CONNECTIONS);
  const cause = { phase: "connect", cause: "ECONNREFUSED" };
  expect(sampleOf(text, "fourtuple_connect_failures_total", cause)).toBe(CONNECTIONS);
  expect(sampleOf(text, "fourtuple_connect_connect_seconds_count")).toBe(CONNECTIONS);
  const answers = sampleOf(text, "fourtuple_connect_round_trip_seconds_bucket", { le: "+Inf" });
  expect(answers).toBeGreaterThanOrEqual(CONNECTIONS);
  for (const shown of [text, ofServer]) expectDocumented(shown);
});

it("a note says that other hosts can read them, unless the address is a loopback one", async () => {
  const refused = ["connect", `${ownAddress()}:9`, "--metrics"];
  expect((await runCli([...refused, "0.0.0.0:0"])).stderr).toContain(
    "note: any host that reaches this address can read",
  );
  expect((await runCli([...refused, "127.0.0.1:0"])).stderr).not.toContain("note: any host");
});

it("the metrics that a script declares are served under their names", async () => {
  const script = ["--protocol", "test/support/scripts/line.mjs"];
  const { url: serverUrl, at } = await startServe(...script);
  const client = startCli(["connect", at, ...script, "-c", "3", "-r", "50", "-T", "forever", ...METRICS]);
  const url = await metricsUrl(client);
  const text = await until(
    "all pongs",
    () => scrape(url),
    (seen) => sampleOf(seen, "fourtuple_custom_pongs_total")! >= 9,
  );
  expect(text).toContain("# HELP fourtuple_custom_pongs_total Pongs received.");
  // Each pong recorded two milliseconds.
  const turns = sampleOf(text, "fourtuple_custom_turns_seconds_count")!;
  expect(turns).toBeGreaterThanOrEqual(9);
  expect(sampleOf(text, "fourtuple_custom_turns_seconds_sum")! / turns).toBeCloseTo(0.002, 5);
  expect(sampleOf(text, "fourtuple_script_phase_entered_total", { phase: "login" })).toBe(3);
  expect(sampleOf(text, "fourtuple_script_handler_errors_total")).toBe(0);
  expectDocumented(text);
  expectDocumented(await scrape(serverUrl));
});

it("the lab serves the state of its experiments and clients", async () => {
  const lab = startCli(["lab", "--loopback", "--only", "E4", "--json", ...METRICS]);
  const url = await metricsUrl(lab);
  const text = await until(
    "an open connection",
    () => scrape(url),
    (seen) => (sampleOf(seen, "fourtuple_lab_connections", { state: "open" }) ?? 0) > 0,
  );
  expect(sampleOf(text, "fourtuple_lab_running", { experiment: "E4" })).toBe(1);
  expectDocumented(text);
  lab.child.kill("SIGINT");
  await lab.exited();
});

it("a port in use is reported before anything runs", async () => {
  const foreign = await startForeignServer();
  const { code, stderr, stdout } = await runCli(["serve", `${ownAddress()}:0`, "--metrics", foreign.at]);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/Fatal error: .*port is in use/);
});

it("a run in a program is served until it ends", async () => {
  const server = await serve({ at: `${ownAddress()}:0` });
  const run = await connect({ to: `${server.address.ip}:${server.address.port}`, connections: 5, durationMs: 60_000 });
  const metrics = [await serveMetrics(run, "127.0.0.1:0"), await serveMetrics(server, "127.0.0.1:0")];
  await run.ready;
  expect(sampleOf(await scrape(metrics[0]!.url), "fourtuple_connect_open")).toBe(5);
  await until(
    "the server's count",
    async () => sampleOf(await scrape(metrics[1]!.url), "fourtuple_serve_open"),
    (open) => open === 5,
  );
  await run.stop();
  await server.stop();
  for (const { url } of metrics)
    await until("no more metrics", () =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    );
});
