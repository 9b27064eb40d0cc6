// Tests `fourtuple ports` when few or no sockets match: its statements are true of the port, not only of the sockets
// read.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { ownAddress, ownPort } from "../../support/address.js";
import { connectForeign, startForeignServer } from "../../support/peers.js";
import { runCli, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

/** Starts a server that has accepted one connection from each of these addresses. */
async function serverWith(...sources: string[]) {
  const server = await startForeignServer();
  const clients: Socket[] = [];
  for (const localAddress of sources) {
    const client = connect({ host: server.ip, port: server.port, localAddress });
    onTestFinished(() => void client.destroy());
    await once(client, "connect");
    clients.push(client);
  }
  await until("all are accepted", () => server.sockets.size === sources.length);
  return { ...server, clients };
}

async function lines(...args: string[]) {
  const { code, stdout, stderr } = await runCli(["ports", ...args]);
  expect(stderr).toBe("");
  return { code, stdout, first: stdout.split("\n")[0] };
}

describe("a filter without matches", () => {
  it("is named in the message, exit 1: the port may have other sockets", async () => {
    const { at, port } = await serverWith(ownAddress());
    const has = `has ${at} at either end`;
    expect(await lines(at, "--state", "time-wait")).toMatchObject({
      code: 1,
      first: `no TCP socket of this host in TIME_WAIT ${has}`,
    });
    expect(await lines(at, "--peer", "192.0.2.1")).toMatchObject({
      code: 1,
      first: `no TCP socket of this host with the peer 192.0.2.1 ${has}`,
    });
    expect(await lines(at, "-6")).toMatchObject({ code: 1, first: `no IPv6 TCP socket of this host ${has}` });
    // CLOSING: a state in which an earlier run could not have left a socket on this port.
    const source = await lines(`:${port}`, "--state", "closing");
    expect(source.first).toBe(`no TCP socket of this host in CLOSING has port ${port} at either end`);
  });

  it("exits with 1 even without an address", async () => {
    await startForeignServer();
    const text = await lines("--peer", "192.0.2.1");
    expect(text).toMatchObject({ code: 1, first: "there is no TCP socket of this host with the peer 192.0.2.1" });
    const json = await lines("--peer", "192.0.2.1", "--json");
    expect([json.code, JSON.parse(json.stdout).sockets]).toEqual([1, 0]);
  });

  it("for IPv4 does not match an IPv4-mapped socket, and says why", async () => {
    const server = await startForeignServer(() => undefined, "::");
    await connectForeign({ ip: "127.0.0.1", port: server.port });
    const { stdout, code } = await lines("-4", `:${server.port}`);
    expect(stdout).toContain("no IPv4 socket of this host has it (IPv4-mapped sockets belong to IPv6)");
    expect(code).toBe(0);
  });

  it("still shows what a listener has accepted", async () => {
    const { at, ip, port } = await serverWith(ownAddress(), ownAddress());
    const { stdout } = await lines(at, "--listening", "--state", "time-wait");
    expect(stdout).toMatch(new RegExp(`${ip}:${port} +0 +[\\d,]+ +2 `));
  });
});

it("--peer applies to both sides of the port", async () => {
  const [one, other] = [ownAddress(), ownAddress()];
  const { at, ip } = await serverWith(one, other);
  const { stdout, first } = await lines(at, "--peer", one);
  expect(first).toContain(`1 ESTABLISHED socket with the peer ${one} has local port`);
  expect(stdout).not.toMatch(/clients here|2 ESTABLISHED/);
  // The clients' peer is the server.
  expect((await lines(at, "--peer", ip)).first).toContain(
    `2 ESTABLISHED sockets of this host with the peer ${ip} lead`,
  );
});

it("a client's port is not taken for a server's", async () => {
  const { clients } = await serverWith(ownAddress());
  const { localAddress, localPort } = clients[0]!;
  const { stdout, first } = await lines(`${localAddress}:${localPort}`);
  expect(first).toBe(`1 ESTABLISHED socket has local port ${localPort} of ${localAddress}, and nothing listens on it`);
  expect(stdout).toMatch(/accepted here +1 ESTABLISHED, from peers that use this port as their source port/);
});

it("--memory covers both sides, and leaves the listener out of the mean", async () => {
  const { at, clients, sockets } = await serverWith(ownAddress());
  // This is more than the receiver accepts, so the rest stays in the client's send queue.
  for (const socket of sockets) socket.pause();
  clients[0]!.write(Buffer.alloc(16_000_000));
  await until(
    "bytes wait on both sides",
    async () => (await lines(at, "--memory")).stdout,
    (text) => /^ {2}memory +(?!0 B)/m.test(text) && /^ {2}clients' memory +(?!0 B)/m.test(text),
  );
  const { memory } = JSON.parse((await lines(at, "--memory", "--json")).stdout);
  expect(memory.sockets).toBe(2);
});

it("--list reports on standard error that no row matches", async () => {
  const at = `${ownAddress()}:${ownPort()}`;
  const { code, stdout, stderr } = await runCli(["ports", at, "--list"]);
  expect(stdout).toMatch(/^State .*\n$/);
  expect([code, stderr]).toEqual([1, `no TCP socket of this host has ${at} at either end\n`]);
});

describe("a wildcard listener", () => {
  it("is drawn even if no address has a socket", async () => {
    const { port, ip } = await startForeignServer(() => undefined, "0.0.0.0");
    expect(ip).toBe("0.0.0.0");
    const { code, stdout } = await lines(`:${port}`, "--map");
    expect(stdout).toContain("server 0.0.0.0: 1 port in use");
    expect(stdout).toMatch(new RegExp(`◉.*${port}, listening`));
    expect(code).toBe(0);
    const own = ownAddress();
    expect((await lines(`${own}:${port}`, "--map")).stdout).toContain("server 0.0.0.0: 1 port in use");
    expect(await lines(`:${port}`, "--map", "--state", "established")).toMatchObject({
      code: 1,
      first: `no TCP socket of this host in ESTABLISHED has port ${port} at either end`,
    });
  });
});

it("--listening --json prints the listeners, with owners on request", async () => {
  const { at, ip, port } = await startForeignServer();
  const { code, stdout } = await lines(at, "--listening", "--json", "--process");
  const table = JSON.parse(stdout);
  expect(table).toMatchObject({ kind: "listeners", listeners: [{ ip, port, owner: { pid: process.pid } }] });
  expect(code).toBe(0);
});

it("--watch prints no rates before the second reading", async () => {
  const { at } = await serverWith(ownAddress());
  const watching = startCli(["ports", at, "--watch"]);
  await watching.prints(/ sockets opened 0\/s/);
  expect(watching.stdout.split(/^ {2}source/m)[0]).not.toContain("sockets opened");
});
