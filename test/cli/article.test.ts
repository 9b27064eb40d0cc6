// Reproduces the blog post's server and client: the output of each, the bytes on the wire, and how each ends. The peer
// is `nc` or the other side of fourtuple; `ss` reads the socket table.
import { describe, expect, it } from "vitest";
import { endpoint, ownAddress } from "../support/address.js";
import { establishedInSs, socketsInSs, untilAtRest } from "../support/kernel.js";
import { startForeignServer } from "../support/peers.js";
import { hasProgram, runCli, start, startCli } from "../support/process.js";
import { until } from "../support/until.js";

async function startServe(...options: string[]) {
  const ip = ownAddress();
  const server = startCli(["serve", `${ip}:0`, ...options]);
  const [, port] = await server.prints(/^listening on [\d.]+:(\d+)$/m);
  return { server, ip, port: Number(port), at: `${ip}:${port}` };
}

describe("the blog post's conversation", () => {
  it("server and client print each other's view of the same 4-tuple, and the client ends with the server", async () => {
    const { server, at } = await startServe("--close-after-greeting");
    const { code, stdout, stderr } = await runCli(["connect", at]);
    const own = /^client address (127\.0\.0\.1:\d+|[\d.]+:\d+)$/m.exec(stdout)?.[1];
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: `client address ${own}\nreceive hello from server\n`,
      stderr: "",
    });
    await server.prints(new RegExp(`^client address ${own!.replaceAll(".", "\\.")}$`, "m"));
  });

  it("several clients stay connected to one port, each from its own port", async () => {
    const { server, ip, port, at } = await startServe();
    const clients = Array.from({ length: 4 }, () => startCli(["connect", at]));
    for (const client of clients) await client.prints(/receive hello from server/);
    expect(await establishedInSs(port, ip)).toBe(4);
    const ports = clients.map(({ stdout }) => /client address [\d.]+:(\d+)/.exec(stdout)![1]);
    expect(new Set(ports).size).toBe(4);
    server.child.kill("SIGTERM");
    for (const client of clients) expect((await client.exited()).code).toBe(0);
    expect((await server.exited()).code).toBe(0);
  });

  it("sends exactly hello to nc, and holds", async ({ skip }) => {
    if (!hasProgram("nc")) skip();
    const { ip, port } = await startServe();
    const nc = start("nc", [ip, String(port)], { input: "" });
    await until(
      "hello in nc",
      () => nc.stdout,
      (text) => text === "hello",
    );
    expect(await establishedInSs(port, ip)).toBe(1);
    await nc.kill();
    await until(
      "the server's end to be freed",
      () => socketsInSs(`sport = :${port} and src ${ip}`, "all"),
      (rows) => rows.every((row) => row.startsWith("LISTEN")),
    );
  });

  it("prints what a foreign server sends", async () => {
    const foreign = await startForeignServer((socket) => socket.end("hello"));
    const { code, stdout } = await runCli(["connect", foreign.at]);
    expect(stdout).toMatch(/^client address [\d.]+:\d+\nreceive hello from server\n$/);
    expect(code).toBe(0);
  });

  it("over IPv6", async () => {
    const server = startCli(["serve", "[::1]:0"]);
    const [, port] = await server.prints(/^listening on \[::1\]:(\d+)$/m);
    const client = startCli(["connect", `[::1]:${port}`]);
    await client.prints(/^client address \[::1\]:\d+\nreceive hello from server\n/);
    expect(await establishedInSs(Number(port), "::1")).toBe(1);
    client.child.kill("SIGINT");
    // A signal ended the client, not the server.
    expect(await client.exited()).toMatchObject({
      code: 130,
      stderr: expect.stringMatching(/^interrupted: held for /),
    });
  });
});

describe("serve", () => {
  it("prints the first 10 clients, then a note that there are more, and a summary on Ctrl-C", async () => {
    const { server, ip, port, at } = await startServe();
    const client = startCli(["connect", at, "-c", "25", "-T", "1m"]);
    await until(
      "25 connections",
      () => establishedInSs(port, ip),
      (count) => count === 25,
    );
    await server.prints(/not printed/);
    // The kernel's table shows ESTABLISHED before the server's accept() and before the client is notified.
    await untilAtRest(server.pid);
    await until("all open at the client", () => /open 25 of 25/.test(client.stderr));
    server.child.kill("SIGINT");
    const { code, stdout } = await server.exited();
    expect(stdout.match(/^client address /gm)).toHaveLength(10);
    expect(stdout).toMatch(/accepted +25\b/);
    expect(stdout).toMatch(/15 more client addresses/);
    expect(code).toBe(0);
    expect(await socketsInSs(`sport = :${port} and src ${ip}`, "listening")).toEqual([]);
    // The server died during the hold: the client counts and reports the losses, and ends by itself.
    const lost = await client.exited();
    expect(lost.code).toBe(1);
    expect(lost.stdout).toMatch(/25 lost during hold/);
  });

  it.each([
    ["all", 25],
    ["none", 0],
  ])("--log %s prints %i clients", async (log, printed) => {
    const { server, at } = await startServe("--log", log);
    expect((await runCli(["connect", at, "-c", "25", "-T", "0"])).code).toBe(0);
    // The client may have ended before the server has accepted all of its connections.
    await untilAtRest(server.pid);
    server.child.kill("SIGTERM");
    expect((await server.exited()).stdout.match(/^client address /gm) ?? []).toHaveLength(printed);
  });

  it("--json prints events and nothing else", async () => {
    const server = startCli(["serve", endpoint({ ip: ownAddress(), port: 0 }), "--json"]);
    const [, at] = await server.prints(/"ip":"([^"]+)","port":\d+/);
    const { port } = JSON.parse(server.stdout.split("\n")[0]!);
    expect((await runCli(["connect", `${at}:${port}`, "-c", "3", "-T", "0"])).code).toBe(0);
    // The client may have ended before the server has accepted all of its connections.
    await until("three connections", () => server.stdout.match(/"event":"connection"/g)?.length === 3);
    server.child.kill("SIGTERM");
    const { stdout, code } = await server.exited();
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ event: "listening", port });
    expect(events.filter(({ event }) => event === "connection")).toHaveLength(3);
    expect(events.at(-1)).toMatchObject({ event: "result", kind: "serve", accepted: 3, peakOpen: 3 });
    expect(code).toBe(0);
  });
});

describe("a killed client", () => {
  it("is released by the server, which keeps running", async () => {
    const { server, ip, port, at } = await startServe("--log", "none");
    const client = startCli(["connect", at, "-c", "500", "-T", "1m"]);
    await until(
      "500 connections",
      () => establishedInSs(port, ip),
      (count) => count === 500,
    );
    await client.kill("SIGKILL");
    await until(
      "all freed",
      () => socketsInSs(`sport = :${port} and src ${ip}`, "connected"),
      (rows) => rows.length === 0,
    );
    expect((await runCli(["connect", at, "-c", "10", "-T", "0"])).code).toBe(0);
    await untilAtRest(server.pid);
    server.child.kill("SIGTERM");
    expect((await server.exited()).stdout).toMatch(/accepted +510\b/);
  });
});

describe("Ctrl-C", () => {
  it("ends a client at once when pressed twice", async () => {
    const { at } = await startServe("--log", "none");
    const client = startCli(["connect", at, "-c", "15k", "-T", "1m"]);
    await client.prints(/.*/);
    await until(
      "the hold",
      () => client.stderr,
      (text) => /open 15,000 of 15,000/.test(text),
    );
    client.child.kill("SIGINT");
    client.child.kill("SIGINT");
    const { code } = await client.exited();
    // The first signal may have let it finish before the second arrived.
    expect([0, 130]).toContain(code);
  });
});
