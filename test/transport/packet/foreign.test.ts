// Tests `connect --transport packet` with servers of other programs on the kernel's TCP, in a network namespace.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { useNetworks } from "../../support/address.js";
import { establishedInSs, listeningAt } from "../../support/kernel.js";
import { canMakeNamespaces } from "../../support/namespace.js";
import { startNginx } from "../../support/nginx.js";
import { connect, FREE, inNamespace, OWN } from "../../support/packet-runs.js";
import { hasProgram, resultOf, start, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

/** Reads slowly at first, so that its window closes, and then echoes everything. */
const PYTHON_ECHO = `
import asyncio
async def serve(reader, writer):
    await asyncio.sleep(0.05)
    while data := await reader.read(5000):
        writer.write(data)
        await writer.drain()
    writer.close()
async def main():
    # A full accept queue and SYN cookies would leave clients ESTABLISHED of which the server knows nothing.
    server = await asyncio.start_server(serve, "${OWN}", 7777, limit=2048, backlog=1000)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
`;

function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-foreign-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe.skipIf(!canMakeNamespaces())("connect --transport packet", () => {
  beforeEach(() => useNetworks({ own: "10.99", source: "10.64" }));
  afterEach(() => useNetworks(undefined));

  it("sends requests to nginx, and counts the connections that it closes", async () => {
    if (!hasProgram("nginx")) return;
    inNamespace();
    const folder = ownFolder();
    writeFileSync(join(folder, "body"), "n".repeat(40_000));
    const nginx = await startNginx(`keepalive_requests 5; root ${folder};`);
    const { result } = await connect([`http://${nginx.at}/body`, ...FREE, "-c", "20", "-n", "300"]);
    expect(result).toMatchObject({ outcome: "met", established: 20, lost: 0, responses: { "2xx": 300 } });
    expect(result.messages).toMatchObject({ sent: 300, answered: 300 });
    expect(nginx.requests().length).toBe(300);
    // Every fifth response closes its connection.
    expect(new Set(nginx.requests().map((line) => line.split(" ")[0])).size).toBeGreaterThanOrEqual(60);
    expect(result.traffic.receivedBytes).toBeGreaterThan(300 * 40_000);
    expect(result.packets).toMatchObject({ malformed: 0, badChecksums: 0 });
  });

  it("speaks with redis, which counts the same clients", async () => {
    if (!hasProgram("redis-server")) return;
    inNamespace();
    const redis = start("redis-server", ["--bind", OWN, "--port", "6399", "--save", "", "--protected-mode", "no"]);
    await redis.prints(/Ready to accept/);
    const exchange = ["-m", "PING\\r\\n", "--expect-until", "\\r\\n", "-n", "1000"];
    const { result } = await connect([`${OWN}:6399`, ...FREE, "-c", "100", ...exchange]);
    expect(result).toMatchObject({ outcome: "met", established: 100, messages: { answered: 1000 } });
    expect(result.kernel).toMatchObject({ incoming: 100 });
  });

  it("gets answers from haproxy", async () => {
    if (!hasProgram("haproxy")) return;
    inNamespace();
    const file = join(ownFolder(), "haproxy.cfg");
    const timeouts = ["connect", "client", "server"].map((side) => `  timeout ${side} 20s`).join("\n");
    writeFileSync(
      file,
      `defaults
  mode http
${timeouts}
frontend front
  bind ${OWN}:8080
  http-request return status 200 content-type text/plain string hello
`,
    );
    start("haproxy", ["-db", "-f", file]);
    await until("haproxy listens", () => listeningAt({ ip: OWN, port: 8080 }) === 1);
    const { result } = await connect([`http://${OWN}:8080/`, ...FREE, "-c", "50", "-n", "500", "--close", "fin"]);
    expect(result).toMatchObject({ outcome: "met", established: 50, lost: 0, responses: { "2xx": 500 } });
  });

  it("gets large messages back from Python's asyncio, whose window closes, and agrees with ss", async () => {
    if (!hasProgram("python3")) return;
    inNamespace();
    const python = start("python3", ["-c", PYTHON_ECHO]);
    await python.prints(/ready/);
    const file = join(ownFolder(), "message");
    writeFileSync(file, Array.from({ length: 40_000 }, (_, n) => `${n},`).join(""));
    const message = ["--message-file", file, "-n", "20"];
    const { result } = await connect([`${OWN}:7777`, ...FREE, "-c", "10", ...message]);
    expect(result).toMatchObject({ outcome: "met", established: 10, lost: 0 });
    expect(result.messages).toMatchObject({ answered: 20, unanswered: 0 });
    const bytes = 20 * readFileSync(file).length;
    expect(result.traffic).toMatchObject({ sentBytes: bytes, receivedBytes: bytes });

    const holding = startCli(["connect", `${OWN}:7777`, ...FREE, "-c", "200", "-T", "1m", "--json"]);
    await holding.prints(/"stage":"hold"/);
    // The last ACKs may still be on their way.
    await until(
      "the kernel has as many",
      () => establishedInSs(7777),
      (count) => count === 200,
    );
    await python.kill("SIGKILL");
    const ended = holding.exited();
    await holding.prints(/"lost":200,/);
    holding.child.kill("SIGINT");
    expect(resultOf((await ended).stdout)).toMatchObject({ established: 200, lost: 200 });
    await until(
      "the kernel has none",
      () => establishedInSs(7777),
      (count) => count === 0,
    );
  });
});
