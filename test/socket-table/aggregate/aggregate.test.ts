// Tests what a summary counts separately: IPv4-mapped sockets, and connections in TIME_WAIT.
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { socketTable } from "../../../src/socket-table/summary.js";
import { ownAddress } from "../../support/address.js";
import { until } from "../../support/until.js";

it("IPv4 connections of a server on :: are mapped at its end, and in TIME_WAIT at the end that closes first", async () => {
  const ip = ownAddress();
  const server = createServer((socket) => socket.resume());
  server.listen(0, "::");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const clients = Array.from({ length: 3 }, () => connect({ host: ip, port }));
  onTestFinished(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  await Promise.all(clients.map((client) => once(client, "connect")));
  const held = await until(
    "three connections with both ends",
    () => socketTable({ ip, port, states: ["ESTABLISHED"] }),
    ({ sockets }) => sockets === 6,
  );
  expect(held).toMatchObject({ byFamily: { ipv4: 3, mapped: 3, ipv6: 0 }, incoming: 3, outgoing: 3 });
  expect(held.byDestination.top).toMatchObject([{ ip, port, sockets: 3, established: 3, timeWait: 0 }]);
  for (const client of clients) client.end();
  const closed = await until(
    "three in TIME_WAIT, and nothing else",
    () => socketTable({ ip, port }),
    ({ byState }) => byState.TIME_WAIT === 3 && byState.ESTABLISHED === undefined,
  );
  expect(closed.byDestination.top).toMatchObject([{ ip, port, sockets: 3, established: 0, timeWait: 3 }]);
});
