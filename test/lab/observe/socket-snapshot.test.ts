// Tests snapshots of a port over loopback, where other programs share the table, the ports and the addresses: only the
// lab's own sockets count.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { onSnapshot } from "../../../src/client/event-stream.js";
import type * as SocketSnapshot from "../../../src/lab/observe/socket-snapshot.js";
import type * as Places from "../../../src/lab/testbed/testbed.js";
import { startForeignServer } from "../../support/peers.js";
import { until } from "../../support/until.js";

// Loaded from dist, because it starts a program in the same folder.
const { countLocalPorts, takeSnapshot } = (await import(
  new URL("../../../dist/lab/observe/socket-snapshot.js", import.meta.url).href
)) as typeof SocketSnapshot;
const { openTestbed } = (await import(
  new URL("../../../dist/lab/testbed/testbed.js", import.meta.url).href
)) as typeof Places;

const OURS = 10;
const STRANGERS = 3;

/** Opens connections of another program, closed at the end of the test. */
async function join(host: string, port: number, localAddress: string): Promise<void> {
  const sockets: Socket[] = Array.from({ length: STRANGERS }, () => connect({ host, port, localAddress }));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
}

describe("a snapshot of a port", () => {
  it("counts the lab's sockets, not unrelated ones on the same port and addresses", async () => {
    await using testbed = await openTestbed({ loopback: true });
    const { serverIp, clientIps } = testbed.description;
    // The foreign server comes first, on a port below the ephemeral range: other clients with the source address
    // 127.0.0.1 already use some of the ephemeral ports.
    const { port } = await startForeignServer(undefined, "127.0.0.1");
    await testbed.server.run(["serve", `${serverIp}:${port}`, "--log", "none", "--json"]).prints(/"port"/);
    const sources = ["--source-ip", clientIps, "--source-port", "2001-2009", "--close", "rst"];
    const clientLoad = testbed.client.run([
      ...["connect", `${serverIp}:${port}`, "-c", `${OURS}`, ...sources],
      ...["-T", "10m", "--authorized", "--json"],
    ]);
    await new Promise<void>((resolve) => {
      onSnapshot(clientLoad, ({ stage }) => stage === "hold" && resolve());
    });
    await join(serverIp, port, "127.0.0.1");
    await join("127.0.0.1", port, testbed.client.ips[0]!);
    // Both ends must be counted: the server's end exists once the last packet of the handshake has arrived.
    const [onServer, onClient] = await until(
      "the held connections",
      async () =>
        [await takeSnapshot(testbed.server, port, 100), await takeSnapshot(testbed.client, port, 100)] as const,
      ([atServer, atClient]) => atServer.incoming >= OURS && atClient.outgoing >= OURS,
    );
    expect([onServer.incoming, onServer.outgoing, onServer.tuples.length]).toEqual([OURS, 0, OURS]);
    expect([onClient.incoming, onClient.outgoing, onClient.tuples.length]).toEqual([0, OURS, OURS]);
    expect([onServer.states, onClient.states]).toEqual([{ ESTABLISHED: OURS }, { ESTABLISHED: OURS }]);
    expect(onClient.fields.flatMap(({ used }) => used).every(([, last]) => last <= 2009)).toBe(true);
    expect(onServer.fields.map(({ used, sockets }) => [used, sockets])).toEqual([[[[port, port]], OURS]]);
    expect([countLocalPorts(onServer), countLocalPorts(onClient)]).toEqual([
      1,
      new Set(onClient.tuples.map(({ sourcePort }) => sourcePort)).size,
    ]);
  });

  it("includes other connections between the hosts, for the ports in use", async () => {
    await using testbed = await openTestbed({ loopback: true });
    const { serverIp } = testbed.description;
    const ports: number[] = [];
    for (let i = 0; i < 2; i++) {
      const serving = testbed.server.run(["serve", `${serverIp}:0`, "--log", "none", "--json"]);
      ports.push(Number((await serving.prints(/"port":(\d+)/))[1]));
      const to = [`${serverIp}:${ports[i]}`, "--source-ip", testbed.client.ips[0]!];
      await testbed.client.run(["connect", ...to, "--close", "rst"]).prints(/receive hello/);
    }
    const onServer = await takeSnapshot(testbed.server, ports[0]!);
    expect([onServer.incoming, countLocalPorts(onServer)]).toEqual([1, 2]);
  });
});
