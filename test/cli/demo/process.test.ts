// Tests the demo when another program ends one of its processes.
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { finishCommand, startCommand } from "../../../dist/cli/demo/process.js";
import { onSnapshot } from "../../../dist/client/event-stream.js";

describe("a process of the demo", () => {
  it("that is killed before printing its result is reported as killed, not treated as finished", async () => {
    const server = startCommand("serve", "127.0.0.1:0", "--log", "none", "--json");
    await once(server, "line");
    server.kill("SIGKILL");
    await expect(finishCommand(server, "server")).rejects.toThrow("the server exited without a result: SIGKILL");
  });

  it("that is still closing its connections is not killed", async () => {
    const server = startCommand("serve", "127.0.0.1:0", "--log", "none", "--json");
    const [line] = (await once(server, "line")) as [string];
    const { port } = JSON.parse(line);
    // Wait for output: a process without any would be killed at once.
    const client = startCommand("connect", `127.0.0.1:${port}`, "-c", "2000", "-T", "forever", "--json");
    await new Promise<void>((resolve) => {
      onSnapshot(client, ({ stage }) => stage === "hold" && resolve());
    });
    expect(await finishCommand(client, "client", 0)).toMatchObject({
      kind: "connect",
      established: 2000,
      outcome: "met",
    });
    await finishCommand(server, "server");
  });

  it("returns the result that it printed last", async () => {
    const server = startCommand("serve", "127.0.0.1:0", "--log", "none", "--json");
    await once(server, "line");
    expect(await finishCommand(server, "server")).toMatchObject({ kind: "serve", accepted: 0 });
  });
});
