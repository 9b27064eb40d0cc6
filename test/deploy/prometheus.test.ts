// Tests against a real Prometheus in a network namespace: it scrapes all endpoints, promtool finds nothing to criticise,
// every expression of the dashboard has data, and an alert fires on a host that runs out of source ports.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { expressionsOf } from "../support/dashboard.js";
import { ROOT } from "../support/library.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { hasProgram, start, startCli } from "../support/process.js";
import { sampleOf, scrape } from "../support/scrape.js";
import { until } from "../support/until.js";

const DEPLOY = `${ROOT}deploy/`;
/** Number of ephemeral ports in the namespace, all of which a client takes. */
const PORTS = 100;
const ENDPOINTS = ["127.0.0.1:9477", "127.0.0.1:9476", "127.0.0.1:9475"];
const PROMETHEUS = "127.0.0.1:9090";
/** Holds connections whose ports are bound before connect(), and some that NAT gives another address. */
const OTHERS = `
  const { connect } = require("node:net");
  for (let n = 0; n < 20; n++) connect({ host: n % 2 ? "127.0.0.1" : "127.0.0.2", port: 7777, localAddress: "127.0.0.5" });
  for (let n = 0; n < 5; n++) connect({ host: "127.0.0.1", port: 7777, localAddress: "127.0.0.6" });
  setTimeout(() => console.log("connected"), 0);
`;

const hasPrometheus = hasProgram("prometheus") && hasProgram("promtool");
const canTranslate = hasProgram("nft");

describe.skipIf(!hasPrometheus)("promtool", () => {
  it.each([
    ["check", "rules", "alerts.yml"],
    ["test", "rules", "alerts.test.yml"],
  ])("%s %s %s", (...args) => {
    const { status, stdout, stderr } = spawnSync("promtool", args, { cwd: DEPLOY, encoding: "utf8" });
    expect(status, stdout + stderr).toBe(0);
  });
});

describe.skipIf(!hasPrometheus || !canMakeNamespaces())("Prometheus", () => {
  it("scrapes every endpoint, shows every panel, and alerts when the ports run out", async () => {
    enterNamespace();
    writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", `50000 ${50_000 + PORTS - 1}`);
    if (canTranslate) translate("ip saddr 127.0.0.6 tcp dport 7777 snat to 127.0.0.66");
    await startRuns();
    await startPrometheus();
    for (const endpoint of ENDPOINTS) {
      const input = await scrape(`http://${endpoint}/metrics`);
      const checked = spawnSync("promtool", ["check", "metrics"], { input, encoding: "utf8" });
      expect([checked.status, checked.stdout + checked.stderr], endpoint).toEqual([0, ""]);
    }
    await until(
      "three endpoints that are up",
      targets,
      (all) => all.filter(({ health }) => health === "up").length === 3,
    );
    const wanted = expressionsOf(`${DEPLOY}grafana-dashboard.json`).filter(
      (expression) => canTranslate || !/nat_ports|conntrack/.test(expression),
    );
    for (const expression of wanted) {
      const shown = expression.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "5s");
      await until(
        `data for ${shown}`,
        () => query(shown),
        (values) => values.length > 0,
      );
    }
    for (const alert of ["SourcePortsRunningOut", "SourcePortsExhausted"]) {
      const firing = `ALERTS{alertname="${alert}",alertstate="firing",destination="127.0.0.1",destination_port="7777"}`;
      await until(
        alert,
        () => query(firing),
        (values) => values.length > 0,
      );
    }
    const used = 'fourtuple_source_ports_in_use{source="127.0.0.1",destination_port="7777"}';
    expect(await query(used)).toEqual([PORTS]);
  });
});

function translate(rule: string): void {
  const input = `table ip n { chain p { type nat hook postrouting priority 100; ${rule}; }; }`;
  const { status, stderr } = spawnSync("nft", ["-f", "-"], { input, encoding: "utf8" });
  if (status !== 0) throw new Error(`nft: ${stderr}`);
}

async function startRuns(): Promise<void> {
  const server = startCli(["serve", "0.0.0.0:7777", "--mode", "echo", "--metrics", ENDPOINTS[1]!]);
  await server.prints(/listening/);
  const exporter = startCli(["exporter"]);
  await exporter.prints(/metrics on/);
  // Half of the connections are refused, and the others take every port.
  const to = ["127.0.0.1:7777", "127.0.0.1:9", "-c", `${2 * PORTS}`];
  const from = ["--source-ip", "127.0.0.1", "--source-port", "kernel"];
  startCli(["connect", ...to, ...from, "-m", "ping", "-r", "5", "-T", "forever", "--metrics", ENDPOINTS[2]!]);
  const opened = async () => sampleOf(await scrape(`http://${ENDPOINTS[2]}/metrics`), "fourtuple_connect_open");
  await until(
    "the client's metrics",
    () => opened().catch(() => undefined),
    (open) => open === PORTS,
  );
  // From now on, connect() finds no port for this source and destination. Ports bound to other addresses come last,
  // because connect() would leave them out.
  await start(process.execPath, ["--eval", OTHERS]).prints(/connected/);
}

async function startPrometheus(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-prometheus-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  writeFileSync(
    join(folder, "alerts.yml"),
    readFileSync(`${DEPLOY}alerts.yml`, "utf8").replaceAll(/^ +for: .*\n/gm, ""),
  );
  const config = {
    // On a busy host, a scrape takes longer than the usual milliseconds.
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "250ms" },
    rule_files: ["alerts.yml"],
    scrape_configs: [{ job_name: "fourtuple", static_configs: [{ targets: ENDPOINTS }] }],
  };
  // JSON is YAML.
  writeFileSync(join(folder, "prometheus.yml"), JSON.stringify(config));
  start("prometheus", [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=${PROMETHEUS}`,
  ]);
  await until("Prometheus", () =>
    fetch(`http://${PROMETHEUS}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
}

/** Returns the values of an instant query. */
async function query(expression: string): Promise<number[]> {
  type Data = { readonly result: readonly { readonly value: readonly [number, string] }[] };
  const { result } = await ask<Data>(`query?query=${encodeURIComponent(expression)}`);
  return result.map(({ value }) => Number(value[1]));
}

/** Returns the state of each endpoint after its last scrape. */
async function targets() {
  type Target = { readonly health: string; readonly lastError: string; readonly lastScrapeDuration: number };
  const { activeTargets } = await ask<{ readonly activeTargets: readonly Target[] }>("targets");
  return activeTargets.map(({ health, lastError, lastScrapeDuration }) => ({ health, lastError, lastScrapeDuration }));
}

/** Asks Prometheus's API. */
async function ask<Data>(path: string): Promise<Data> {
  const answer = await (await fetch(`http://${PROMETHEUS}/api/v1/${path}`)).json();
  const { data, error } = answer as { readonly data?: Data; readonly error?: string };
  if (!data) throw new Error(`${path}: ${error}`);
  return data;
}
