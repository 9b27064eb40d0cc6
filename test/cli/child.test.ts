// The demo's processes, when one of them is ended by somebody else.
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { Child } from "../../dist/cli/child.js";

describe("a process of the demo", () => {
  it("that is killed before its result is named with its end, not taken for one with a result", async () => {
    const server = new Child("serve", "127.0.0.1:0", "--log", "none", "--json");
    await once(server, "line");
    server.kill();
    await expect(server.finish("server")).rejects.toThrow("the server ended without a result: SIGKILL");
  });

  it("that takes its time to close what it told of is not killed meanwhile", async () => {
    const server = new Child("serve", "127.0.0.1:0", "--log", "none", "--json");
    const [{ port }] = (await once(server, "line")) as [{ port: number }];
    // It prints nothing before its end; a silent one would be killed at once.
    const client = new Child("connect", `127.0.0.1:${port}`, "-c", "2000", "-T", "forever", "--json");
    await new Promise<void>((resolve) => {
      client.on("told", ({ stage }) => stage === "hold" && resolve());
    });
    expect(await client.finish("client", 0)).toMatchObject({ kind: "connect", established: 2000, outcome: "met" });
    await server.finish("server");
  });

  it("gives the result that it printed last", async () => {
    const server = new Child("serve", "127.0.0.1:0", "--log", "none", "--json");
    await once(server, "line");
    expect(await server.finish("server")).toMatchObject({ kind: "serve", accepted: 0 });
  });
});
