// Tests several destinations: sockets of other programs on ports in between do not count, and a server's port is not
// used as a source port.
import { connect as connectNet } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { endpointsQuery } from "../../src/socket-table/endpoints.js";
import { readTable, stateMask } from "../../src/socket-table/table.js";
import { type IpAddress, parseIp } from "../../src/util/address.js";
import { ownAddress, ownPorts } from "../support/address.js";
import { establishedInSs, socketsInSs } from "../support/kernel.js";
import { connect } from "../support/library.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { startServer } from "../support/peers.js";
import { resultOf, runCli, startCli } from "../support/process.js";
import { until } from "../support/until.js";

/** Opens another program's connections to a server, closed at the end of the test. */
async function occupy(host: string, port: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const socket = connectNet({ host, port });
    socket.on("error", () => undefined);
    onTestFinished(() => {
      socket.destroy();
    });
  }
  await until(
    "the other program's connections",
    () => establishedInSs(port, host),
    (found) => found === count,
  );
}

it("other connections to a port between two destinations are not counted", async () => {
  const host = ownAddress();
  const { first } = ownPorts(3);
  for (const port of [first, first + 1, first + 2]) await startServer({ at: `${host}:${port}` });
  await occupy(host, first + 1, 20);
  const to = [`${host}:${first}`, `${host}:${first + 2}`];
  const { kernel, isTargetMet } = await (await connect({ to, connections: 40, durationMs: 0 })).done;
  expect([kernel?.outgoing, kernel?.incoming, isTargetMet]).toEqual([40, 40, true]);
});

it("an IPv4-mapped address is treated as IPv4, at either end and as a source", async () => {
  const host = ownAddress();
  const server = await startServer({ at: `[::ffff:${host}]:0` });
  expect(server.address.ip).toBe(host);
  const to = `[::ffff:${host}]:${server.address.port}`;
  const run = await connect({ to, connections: 20, sources: `::ffff:${host}`, durationMs: 0 });
  expect(await run.done).toMatchObject({ outcome: "met", established: 20, kernel: { outgoing: 20, incoming: 20 } });
  expect(server.snapshot().accepted).toBe(20);
});

it("other connections to a destination's port at another address are not counted", async () => {
  const [one, other] = [ownAddress(), ownAddress()];
  const { first } = ownPorts(2);
  for (const host of [one, other]) for (const port of [first, first + 1]) await startServer({ at: `${host}:${port}` });
  await occupy(one, first + 1, 20);
  const to = [`${one}:${first}`, `${other}:${first + 1}`];
  const { kernel } = await (await connect({ to, connections: 40, durationMs: 0 })).done;
  expect([kernel?.outgoing, kernel?.incoming]).toEqual([40, 40]);
});

it.each(["sock_diag", "/proc/net/tcp"] as const)("%s finds exactly the given endpoints", async (source) => {
  const [one, other] = [ownAddress(), ownAddress()];
  const { first } = ownPorts(3);
  const at = (host: string, port: number) => ({ ip: parseIp(host), port });
  for (const host of [one, other]) {
    for (const port of [first, first + 1, first + 2]) await startServer({ at: `${host}:${port}` });
  }
  await occupy(one, first, 1);
  await occupy(one, first + 1, 2);
  await occupy(one, first + 2, 4);
  await occupy(other, first, 8);
  await occupy(other, first + 1, 16);
  const count = async (...endpoints: { ip: IpAddress; port: number }[]) => {
    const query = { states: stateMask(["ESTABLISHED"]), local: endpointsQuery(endpoints), source };
    return (await readTable(query, () => () => true)).sockets;
  };
  // Sockets of other programs come and go meanwhile, so that readings of /proc are inconsistent.
  const finds = (wanted: number, ...endpoints: { ip: IpAddress; port: number }[]) =>
    until(
      `${wanted} sockets`,
      () => count(...endpoints),
      (found) => found === wanted,
    );
  await finds(5, at(one, first), at(one, first + 2));
  await finds(20, at(one, first + 2), at(other, first + 1));
  await finds(27, at(one, first), at(one, first + 1), at(other, first), at(other, first + 1));
});

it("duplicate destinations count once", async () => {
  const { address } = await startServer();
  const at = `${address.ip}:${address.port}`;
  const sourcePorts = ownPorts(10);
  const { plan, established, destinations } = await (
    await connect({ to: [at, at], connections: 10, durationMs: 0, sourcePorts })
  ).done;
  expect([plan.tuplesSkipped, established, destinations]).toEqual([0, 10, [at]]);
});

it.skipIf(!canMakeNamespaces())("a local client does not use the servers' ports as source ports", async () => {
  enterNamespace();
  for (const port of [7777, 7779]) {
    await startCli(["serve", `127.0.0.1:${port}`, "--log", "none"]).prints(/listening on/);
  }
  // From another loopback address, it would be a 4-tuple like any other.
  const options = ["--source-ip", "127.0.0.2", "--source-port", "7770-7789", "--json", "-T", "0"];
  const { stdout } = await runCli(["connect", ":7777", ":7779", "-c", "40", ...options]);
  const { established, plan, kernel } = resultOf(stdout);
  expect([established, plan.tuplesAvailable, kernel.outgoing, kernel.incoming]).toEqual([36, 36, 36, 36]);
  const held = startCli(["connect", ":7777", ":7779", "-c", "36", ...options.slice(0, -1), "1h"]);
  const own = await until(
    "36 connections",
    () => socketsInSs("dport = :7777 or dport = :7779"),
    ({ length }) => length === 36,
  );
  expect(own.filter((line) => /:777[79]\s+\S+:777[79]/.test(line))).toEqual([]);
  // The server's ends become ESTABLISHED with the last packets of the handshakes, which may still be in flight.
  await until(
    "half of them at one port",
    () => establishedInSs(7777),
    (count) => count === 18,
  );
  await held.kill("SIGINT");
  const doctor = ["--source-ip", "127.0.0.2", "--source-port", "7770-7789", "--no-measure", "--json"];
  await until(
    "nothing is open",
    () => socketsInSs("dport = :7777"),
    ({ length }) => length === 0,
  );
  const predicted = JSON.parse((await runCli(["doctor", "-c", "40", "--target", ":7777", ...doctor])).stdout);
  expect(predicted.ceiling).toBe(19);
  // If it is the only port requested, it is used.
  const only = ["--source-ip", "127.0.0.2", "--source-port", "7777", "--json", "-T", "0"];
  expect(resultOf((await runCli(["connect", ":7777", "-c", "1", ...only])).stdout).established).toBe(1);
});
