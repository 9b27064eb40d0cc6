// Tests destinations on this host that lead to another port or program: redirections and proxies.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { inspectServer } from "../../src/capacity/server.js";
import type { Prediction } from "../../src/index.js";
import { readTranslation } from "../../src/linux/netlink/address-translation.js";
import { endpointsQuery } from "../../src/socket-table/endpoints.js";
import { parseIp } from "../../src/util/address.js";
import { ownAddress, ownPort } from "../support/address.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { startClient, startForeignServerProcess } from "../support/peers.js";
import { hasProgram, resultOf, runCli, start } from "../support/process.js";
import { until } from "../support/until.js";

async function doctor(...args: string[]): Promise<Prediction & { code: number | undefined }> {
  const { stdout, code } = await runCli(["doctor", "-c", "5k", "--no-measure", "--json", ...args]);
  return { ...resultOf(stdout), code };
}

describe.skipIf(!canMakeNamespaces())("a port without a listener", () => {
  it("has a ceiling of 0 if no addresses are translated", async () => {
    enterNamespace();
    expect(readTranslation()).toBe("none");
    expect(await doctor("--target", "127.0.0.1:7778")).toMatchObject({
      ceiling: 0,
      code: 1,
      binding: { id: "listener" },
    });
  });

  it.skipIf(!hasProgram("nft"))("has an unknown ceiling if a rule may redirect it, and is not probed", async () => {
    enterNamespace();
    const { port } = await startForeignServerProcess({ host: "0.0.0.0" });
    const rule = `tcp dport 7778 counter redirect to :${port}`;
    execFileSync("nft", [`table ip n { chain o { type nat hook output priority -100; ${rule}; }; }`]);
    expect(readTranslation()).toBe("present");
    const { ceiling, unknown, notes, code } = await doctor("--target", "127.0.0.1:7778");
    expect([code, unknown]).toEqual([0, ["listener"]]);
    expect(ceiling).toBeGreaterThanOrEqual(5000);
    expect(notes.join()).toMatch(/127.0.0.1:7778, but NAT rules .* may redirect it/);
    expect(execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" })).toMatch(/counter packets 0 /);
  });

  it.skipIf(!hasProgram("nft"))("is not redirected by rules that only filter", async () => {
    enterNamespace();
    execFileSync("nft", [
      "table inet f { chain i { type filter hook input priority 0; ct state established accept; }; }",
    ]);
    expect(readTranslation()).toBe("none");
    expect((await doctor("--target", "127.0.0.1:7778")).ceiling).toBe(0);
  });
});

it.skipIf(!hasProgram("haproxy"))(
  "a proxy is recognized by its connections: one opened for each one accepted",
  async () => {
    const host = ownAddress();
    const backend = await startForeignServerProcess({ host });
    const front = ownPort();
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "haproxy.cfg");
    writeFileSync(
      file,
      [
        "global\n maxconn 500",
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m",
        `frontend f\n bind ${host}:${front}\n default_backend b`,
        `backend b\n server s ${host}:${backend.port}\n`,
      ].join("\n"),
    );
    const proxy = start("haproxy", ["-db", "-f", file], { nofile: 2000 });
    const look = () => inspectServer(endpointsQuery([{ ip: parseIp(host), port: front }]));
    await until("it listens", look, ({ listeners }) => listeners.length === 1);
    expect((await look()).workers).toMatchObject([{ pid: proxy.pid, isProxy: false }]);
    await startClient({ to: `${host}:${front}`, connections: 20 });
    await until("it is seen as a proxy", look, ({ workers }) => workers[0]?.isProxy === true);
    // A server that answers by itself is not a proxy.
    await startClient({ to: `${host}:${backend.port}`, connections: 20 });
    const { workers } = await inspectServer(endpointsQuery([{ ip: parseIp(host), port: backend.port }]));
    expect(workers).toMatchObject([{ pid: backend.pid, isProxy: false }]);
  },
);
