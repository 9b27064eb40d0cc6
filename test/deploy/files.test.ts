// Tests the files of deploy/ without the programs that use them: they name metrics and options that exist, and the
// service is as restricted as systemd can tell.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { expressionsOf, panelsOf } from "../support/dashboard.js";
import { ROOT } from "../support/library.js";
import { DOCUMENTED, sampleName } from "../support/metric-tables.js";
import { hasProgram, startCli } from "../support/process.js";

const DASHBOARD = `${ROOT}deploy/grafana-dashboard.json`;
const SERVICE = `${ROOT}deploy/fourtuple-exporter.service`;
const read = (file: string) => readFileSync(`${ROOT}deploy/${file}`, "utf8");
const served = new Set(Object.values(DOCUMENTED).flat().map(sampleName));

/** Exposure from 0 to 10 as computed by systemd, times ten. A service without restrictions has 96. */
const MOST_EXPOSED = 25;

function metricsIn(text: string): string[] {
  const names = [...text.matchAll(/\b(?:fourtuple|process)_[a-z_]+/g)].map(([name]) => name);
  return [...new Set(names)].map((name) => (served.has(name) ? name : name.replace(/_bucket$/, "")));
}

it.each(["alerts.yml", "alerts.test.yml", "grafana-dashboard.json"])(
  "%s names only metrics that are served",
  (file) => {
    const named = metricsIn(file.endsWith(".json") ? expressionsOf(DASHBOARD).join("\n") : read(file));
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !served.has(name))).toEqual([]);
  },
);

it("no two panels of the dashboard overlap", () => {
  const taken = new Set<string>();
  for (const { title, gridPos } of panelsOf(DASHBOARD)) {
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(taken.has(`${x},${y}`), title).toBe(false);
        taken.add(`${x},${y}`);
      }
    }
  }
});

it("every alert has a unit test", () => {
  const { groups } = parse(read("alerts.yml")) as { groups: { rules: { alert: string }[] }[] };
  const tests = read("alerts.test.yml");
  for (const { alert } of groups.flatMap(({ rules }) => rules)) expect(tests, alert).toContain(alert);
});

it.each([
  ["fourtuple-exporter.service", /^ExecStart=fourtuple (.*)$/m],
  ["daemonset.yaml", /^ +args: \[(.*)\]$/m],
])("the command of %s runs", async (file, pattern) => {
  const [, line] = pattern.exec(read(file))!;
  const words = line!.split(/[ ,]+/).map((word) => word.replaceAll('"', ""));
  const at = words.indexOf("--listen") + 1;
  expect(at).toBeGreaterThan(0);
  // At a port of the kernel's choice, because others may be in use.
  const exporter = startCli(words.with(at, "127.0.0.1:0"));
  await exporter.prints(/http:\/\/127\.0\.0\.1:\d+/);
  await exporter.kill("SIGTERM");
});

it("the DaemonSet runs in the host's network with three capabilities", () => {
  const { spec } = parse(read("daemonset.yaml")).spec.template;
  expect(spec.hostNetwork).toBe(true);
  const [{ securityContext, livenessProbe }] = spec.containers;
  expect(securityContext.capabilities).toEqual({ drop: ["ALL"], add: ["BPF", "PERFMON", "NET_ADMIN"] });
  expect(livenessProbe.httpGet.path).toBe("/healthz");
});

it.skipIf(!hasProgram("systemd-analyze"))("systemd finds the service well restricted", () => {
  const args = ["security", "--offline=true", `--threshold=${MOST_EXPOSED}`, "--no-pager", SERVICE];
  const { status, stdout, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
  expect(status, stdout + stderr).toBe(0);
});
