// Tests scripts whose peers read late: what the kernel does not take waits in bounded memory, for any number of
// connections.
import { createServer, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { untilAtRest } from "../../support/kernel.js";
import { ROOT } from "../../support/library.js";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";
import { resultOf, startCli } from "../../support/process.js";
import { setSysctl } from "../../support/sysctl.js";
import { until } from "../../support/until.js";

/** More than there are blocks of memory. */
const CONNECTIONS = 1500;

it.skipIf(!canMakeNamespaces())(
  "data waits for peers that do not read, on more connections than there is memory for long data",
  async () => {
    enterNamespace();
    setSysctl("net.ipv4.tcp_wmem", "4096 8192 8192");
    setSysctl("net.ipv4.tcp_rmem", "4096 8192 8192");
    const peers: Socket[] = [];
    const server = createServer({ pauseOnConnect: true }, (socket) => peers.push(socket));
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", CONNECTIONS, listening));
    onTestFinished(() => {
      for (const socket of peers) socket.destroy();
      server.close();
    });
    const { port } = server.address() as { port: number };
    const file = `${ROOT}test/support/scripts/long-greeting.mjs`;
    const client = startCli([
      "connect",
      `127.0.0.1:${port}`,
      "--protocol",
      file,
      "-c",
      `${CONNECTIONS}`,
      "-T",
      "5m",
      "--json",
    ]);
    await until("all connections", () => peers.length === CONNECTIONS);
    await untilAtRest(client.pid);
    const texts = new Array<string>(CONNECTIONS).fill("");
    peers.forEach((socket, n) => {
      socket.setEncoding("latin1").on("data", (text) => {
        texts[n] += text;
      });
      socket.on("error", () => undefined).resume();
    });
    await until("all data", () => texts.every((text) => text.length > 19_980));
    client.child.kill("SIGINT");
    const { losses, failures, established } = resultOf((await client.exited()).stdout);
    expect({ losses, failures, established }).toEqual({ losses: [], failures: [], established: CONNECTIONS });
    const wanted = new Set(
      Array.from({ length: CONNECTIONS }, (_, n) => `${n + 1}\n`.repeat(20_000 / `${n + 1}\n`.length)),
    );
    expect(new Set(texts)).toEqual(wanted);
  },
);
