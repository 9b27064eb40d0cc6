// Tests `fourtuple ports` on real sockets: its text, its map and its exit, compared with `ss`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ownAddress, ownPort } from "../../support/address.js";
import { socketsInSs } from "../../support/kernel.js";
import { connectForeign, startClient, startForeignServer } from "../../support/peers.js";
import { litFields } from "../../support/port-map.js";
import { CLI_FILE, hasProgram, runCli, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

const hasSs = hasProgram("ss");

/** Starts a server and holds `count` connections to it from one source address. */
async function clientLoad(count: number) {
  const server = await startForeignServer();
  const client = await startClient({ to: server.at, connections: count, connectRatePerSec: 3000 });
  await until(
    "all are accepted",
    () => server.sockets.size,
    (size) => size === count,
  );
  return { ...server, client };
}

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "fourtuple-ports-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

describe("fourtuple ports host:port", () => {
  it("proves that all connections share one port", async () => {
    const { at, port, ip } = await clientLoad(300);
    const { code, stdout, stderr } = await runCli(["ports", at]);
    expect(stderr).toBe("");
    expect(stdout.split("\n")[0]).toBe(
      `300 ESTABLISHED sockets share local port ${port} of ${ip}; they come from 1 address; accept() used no other port`,
    );
    expect(stdout).toContain("300 ESTABLISHED, 1 LISTEN");
    expect(stdout).toMatch(/listener +127\..*, accept queue 0 of \d/);
    expect(code).toBe(0);
  });

  it("treats a bare port as that port at any address", async () => {
    const server = await startForeignServer();
    await connectForeign(server);
    const { code, stdout } = await runCli(["ports", `:${server.port}`]);
    expect(stdout).toContain(`1 ESTABLISHED socket has local port ${server.port}; it comes from 1 address`);
    expect(code).toBe(0);
  });

  it("says that a port has only a listener, with its accept queue", async () => {
    const { at, ip, port } = await startForeignServer();
    expect((await runCli(["ports", at])).stdout).toContain(
      `local port ${port} of ${ip} has a listener but no ESTABLISHED connection`,
    );
  });

  it("says that nothing matches, exit 1", async () => {
    const at = `${ownAddress()}:${ownPort()}`;
    for (const more of [[], ["--map"], ["--json"]]) {
      const { code, stderr } = await runCli(["ports", at, ...more]);
      expect([code, stderr]).toEqual([1, ""]);
    }
    expect((await runCli(["ports", at])).stdout).toBe(`no TCP socket of this host has ${at} at either end\n`);
  });

  it("names the owner of the listener", async () => {
    const { at } = await startForeignServer();
    const { stdout } = await runCli(["ports", at, "--process"]);
    expect(stdout).toContain(`(${process.pid})`);
  });

  it("shows the kernel's memory when bytes are waiting to be read", async () => {
    const server = await startForeignServer();
    const { socket } = await connectForeign(server);
    await until("it is accepted", () => server.sockets.size === 1);
    for (const accepted of server.sockets) accepted.pause();
    // More than Node reads before the socket is paused.
    socket.write(Buffer.alloc(300_000));
    const read = async () => (await runCli(["ports", server.at, "--memory"])).stdout;
    await until(
      "bytes wait at the server",
      async () => Number(/ {2}memory +([\d.]+) KiB of buffers per socket/.exec(await read())?.[1]),
      (kib) => kib >= 100,
    );
  });
});

describe("options", () => {
  it("--json prints one valid object", async () => {
    const { at } = await clientLoad(20);
    const { code, stdout } = await runCli(["ports", at, "--json", "--process"]);
    const table = JSON.parse(stdout);
    expect(table).toMatchObject({
      kind: "sockets",
      byState: { ESTABLISHED: 40, LISTEN: 1 },
      incoming: 20,
      outgoing: 20,
    });
    expect(table.owners.owners.map(({ pid }: { pid: number }) => pid)).toContain(process.pid);
    expect(code).toBe(0);
  });

  it("--state and --peer filter, and accept ss's names", async () => {
    const { at, ip } = await clientLoad(20);
    const count = async (...args: string[]) =>
      JSON.parse((await runCli(["ports", at, "--json", ...args])).stdout).sockets;
    expect(await count("--state", "estab")).toBe(40);
    expect(await count("--state", "listening,time-wait")).toBe(1);
    expect(await count("--peer", `${ip}/32`)).toBe(20);
    expect(await count("-6")).toBe(0);
  });

  it("--pressure shows how many source ports are in use", async () => {
    const { at } = await clientLoad(50);
    const { rows } = JSON.parse((await runCli(["ports", at, "--pressure", "--json"])).stdout);
    expect(rows[0]).toMatchObject({ inUse: 50, timeWait: 0 });
    expect((await runCli(["ports", at, "--pressure"])).stdout).toMatch(new RegExp(`→ ${at} +50 +0 `));
  });

  it("--listening shows each accept queue with its limit", async () => {
    const server = createServer();
    const ip = ownAddress();
    server.listen({ host: ip, port: 0, backlog: 7 });
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    expect((await runCli(["ports", `${ip}:${port}`, "--listening"])).stdout).toMatch(
      new RegExp(`${ip}:${port} +0 +7 +0 `),
    );
  });

  it("--watch continues until SIGINT, and shows rates", async () => {
    const server = await startForeignServer();
    await connectForeign(server);
    const watching = startCli(["ports", server.at, "--watch"]);
    await watching.prints(/sockets opened 0\/s, closed 0\/s[\s\S]*sockets opened 0\/s/);
    // Enough for a rate of at least one per second, however long a busy machine takes between two readings.
    const clients = await Promise.all(Array.from({ length: 20 }, () => connectForeign(server)));
    await watching.prints(/sockets opened [1-9]\d*\/s, closed 0\/s/);
    for (const { socket } of clients) socket.destroy();
    await watching.prints(/closed [1-9]\d*\/s/);
    watching.child.kill("SIGINT");
    expect((await watching.exited()).code).toBe(130);
  });

  it("without an address summarizes the host", async () => {
    const { stdout, code } = await runCli(["ports", "--top", "3"]);
    expect(stdout).toMatch(/^[\d,]+ TCP sockets?: /);
    expect(stdout).toMatch(/local port +sockets +ESTABLISHED/);
    expect(code).toBe(0);
  });
});

describe("ports --list", () => {
  it.skipIf(!hasSs)("prints the same rows as ss", async () => {
    const server = await clientLoad(200);
    // A connection closed by its peer, and connections in TIME_WAIT.
    const half = await connectForeign(server);
    half.socket.end();
    // Before that, either reading may show it as ESTABLISHED.
    await until("the server has ended it, too", half.hasEnded);
    const { stdout } = await runCli(["ports", server.at, "--list"]);
    const filter = `sport = :${server.port} or dport = :${server.port}`;
    const [header, ...rows] = stdout.trimEnd().split("\n");
    expect(header!.split(/\s{2,}/)).toEqual(["State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port"]);
    const key = (line: string) => line.trim().split(/\s+/).slice(0, 5).join(" ");
    const inSs = (await socketsInSs(filter, "all")).filter((line) => line.includes(server.at));
    const fromSs = inSs.map((line) =>
      key(line)
        .replace(/^ESTAB /, "ESTABLISHED ")
        .replace(/^\S+/, (state) => state.replaceAll("-", "_")),
    );
    const close = (line: string) => !/^(LAST_ACK|FIN_WAIT|CLOSE|TIME_WAIT)/.test(line);
    expect(rows.map(key).filter(close).sort()).toEqual(fromSs.filter(close).sort());
    expect(rows.length).toBeGreaterThan(400);
  });

  it("prints IPv6, owners and memory on request", async () => {
    const server = await startForeignServer(() => undefined, "::1");
    await connectForeign(server);
    const { stdout } = await runCli(["ports", server.at, "--list", "--process", "--memory"]);
    expect(stdout).toMatch(/Peer Address:Port +Memory +Process\n/);
    expect(stdout).toMatch(
      new RegExp(`ESTABLISHED 0 +0 +\\[::1\\]:${server.port} +\\[::1\\]:\\d+ +\\d+ +\\S.* ${process.pid}\n`),
    );
  });

  it("exits at once and without an error when nothing reads its output", async () => {
    await clientLoad(3000);
    const shell = `"${process.execPath}" "${CLI_FILE}" ports --list | head -1; echo "\${PIPESTATUS[0]}"`;
    const child = spawn("bash", ["-c", shell], { stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (text) => (stdout += text));
    child.stderr.on("data", (text) => (stderr += text));
    await once(child, "close");
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^State .*\n0\n$/);
  });
});

describe("ports --map", () => {
  it("lights one pixel for each port in use", async () => {
    const { at, ip, client } = await clientLoad(2000);
    const folder = directory();
    for (const file of ["map.svg", "map.html"]) {
      const { code, stdout } = await runCli(["ports", at, "--map", join(folder, file)]);
      expect(stdout).toContain("2,001 ports in use");
      expect(code).toBe(0);
      const fields = litFields(readFileSync(join(folder, file), "utf8"));
      expect(fields).toHaveLength(2);
      expect(fields[0]).toMatchObject({ ip, role: "server", lit: 1, ports: 1 });
      expect(fields[1]).toMatchObject({ role: "client", lit: 2000, ports: 2000 });
    }
    expect(client.snapshot().open).toBe(2000);
  });

  it("draws in the terminal if no file is given, in 80 columns", async () => {
    const { at, port } = await clientLoad(100);
    const { stdout } = await runCli(["ports", at, "--map"]);
    expect(stdout).toMatch(new RegExp(`◉.*${port}: 100 connections`));
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

describe("invalid arguments", () => {
  it.each([
    [["--state", "listn"], "did you mean LISTEN?"],
    [["--state", "time_wiat"], "did you mean TIME_WAIT?"],
    [["--peer", "300.0.0.1"], "is not an IP address"],
    [["host"], "has no port"],
    [[":99999"], "port 99999"],
    [["--map", "map.png"], "ends in .svg or .html"],
    [["--top", "0"], "--top"],
    [["--list", "--json"], "cannot be used with"],
    [["--listening", "--pressure"], "cannot be used with"],
    [["--listening", "--map"], "cannot be used with"],
    [["--listening", "--memory"], "cannot be used with"],
    [["--pressure", "--map"], "cannot be used with"],
    [["--pressure", "--memory"], "cannot be used with"],
    [["--map", "--process"], "cannot be used with"],
    [["--list", "--top", "3"], "cannot be used with"],
    [["--list", "--listening", "--state", "established"], "--state cannot add others"],
    [["--map", ":7777"], "put the address first: fourtuple ports :7777 --map"],
    [["--listenning"], "--listening"],
  ])("%j exits with 2", async (args, says) => {
    const { code, stdout, stderr } = await runCli(["ports", ...args]);
    expect(stderr).toContain(says);
    expect([code, stdout]).toEqual([2, ""]);
  });

  it("explains why a picture cannot be written", async () => {
    const { at } = await startForeignServer();
    const { code, stderr } = await runCli(["ports", at, "--map", "/proc/nowhere/map.svg"]);
    expect(stderr).toMatch(/cannot be written: ENOENT[\s\S]*fix: /);
    expect(code).toBe(1);
  });
});
