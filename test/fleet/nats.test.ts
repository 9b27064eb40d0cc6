// Tests the connection to a real nats-server: credentials, TLS, and refusals in words.
import { describe, expect, it, onTestFinished } from "vitest";
import { agentsOf, askFleet, stopRun } from "../../dist/fleet/runs.js";
import { SUBJECTS } from "../../src/fleet/bus.js";
import { Barrier } from "../../src/fleet/coordinator/barrier.js";
import { findAgents } from "../../src/fleet/coordinator/roster.js";
import { connectNats } from "../../src/fleet/nats/link.js";
import type { NatsOptions } from "../../src/index.js";
import { readVersion } from "../../src/util/program/files.js";
import { endpoint, ownAddress } from "../support/address.js";
import { Authority } from "../support/certificates.js";
import { connect, startAgent } from "../support/library.js";
import { HAS_NATS, NatsServer } from "../support/nats.js";
import { NatsUsers } from "../support/nats-users.js";
import { startServer } from "../support/peers.js";
import { runCli, startCli } from "../support/process.js";

describe.runIf(HAS_NATS)("the connection to NATS", () => {
  it("needs its credentials, which are not taken from a URL", async () => {
    const nats = await NatsServer.start(["--auth", "secret"]);
    onTestFinished(() => nats.stop());
    const refused = { code: "E_FLEET", message: expect.stringMatching(/refused the credentials/) };
    await expect(startAgent({ servers: nats.url })).rejects.toMatchObject(refused);
    await expect(startAgent({ servers: nats.url, token: "wrong" })).rejects.toMatchObject(refused);
    await expect(startAgent({ servers: nats.url.replace("//", "//secret@") })).rejects.toMatchObject({
      code: "E_OPTION",
      message: expect.stringMatching(/contains a secret/),
    });
    const env = { FOURTUPLE_NATS_TOKEN: "secret" };
    const { code, stdout } = await runCli(["fleet", "agents", "--nats", nats.url], { env });
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^no agents answered/)]);
  });

  it("takes the credentials of a user whom an account of the server has signed", async () => {
    const users = new NatsUsers();
    onTestFinished(() => users.remove());
    const nats = await NatsServer.start(["-c", users.config]);
    onTestFinished(() => nats.stop());
    const servers = nats.url;
    const agent = await startAgent({ servers, creds: users.issue(), name: "one" });
    onTestFinished(() => agent.stop());
    const env = { FOURTUPLE_NATS_TOKEN: "" };
    const listed = await runCli(["fleet", "agents", "--nats", servers, "--creds", users.issue()], { env });
    expect(listed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^one .* idle /m) });
    const refused = { code: "E_FLEET", message: expect.stringMatching(/refused the credentials/) };
    await expect(startAgent({ servers, creds: users.issueForeign() })).rejects.toMatchObject(refused);
    await expect(startAgent({ servers })).rejects.toMatchObject(refused);
    await expect(startAgent({ servers, creds: "/nowhere" })).rejects.toMatchObject({ code: "E_OPTION" });
  });

  it("is verified with tls://, also if the server is named by its address", async () => {
    const authority = new Authority("nats");
    onTestFinished(() => authority.remove());
    const { cert, key } = authority.issue("server", ["IP:127.0.0.1"]);
    const nats = await NatsServer.start(["--tls", "--tlscert", cert, "--tlskey", key]);
    onTestFinished(() => nats.stop());
    const servers = nats.url.replace("nats:", "tls:");
    const connected = (options: NatsOptions) => askFleet(options, async () => "connected");
    expect(await connected({ servers, ca: authority.ca })).toBe("connected");
    await expect(connected({ servers })).rejects.toMatchObject({
      code: "E_FLEET",
      fix: expect.stringMatching(/nats-ca/),
    });
    const misnamed = servers.replace("127.0.0.1", "localhost");
    await expect(connected({ servers: misnamed, ca: authority.ca })).rejects.toThrow(
      "the certificate is for IP Address:127.0.0.1",
    );
  });

  it("is refused by an agent and a coordinator if the server accepts short messages only", async () => {
    const nats = await NatsServer.configured("max_payload: 1000");
    onTestFinished(() => nats.stop());
    const refused = { code: "E_FLEET", message: "the NATS server accepts messages of at most 1000 B" };
    await expect(startAgent({ servers: nats.url })).rejects.toMatchObject(refused);
    await expect(askFleet({ servers: nats.url }, agentsOf)).rejects.toMatchObject(refused);
  });

  it.each([
    ["subscribe", "fourtuple.agents", "an agent"],
    ["publish", "fourtuple.agents", "a coordinator"],
    ["publish", "fourtuple.agent.*", "a coordinator"],
    ["publish", "fourtuple.run.*.lease", "a coordinator"],
    ["subscribe", "fourtuple.run.*.lease", "an agent in a run"],
    ["publish", "fourtuple.run.*.beats", "an agent in a run"],
    ["publish", "fourtuple.run.*.parts", "an agent in a run"],
  ])("is refused in words if the server does not let its user %s to %s, by %s", async (verb, subject) => {
    const nats = await NatsServer.configured(
      `authorization { users: [{ user: u, password: p, permissions: { ${verb}: { deny: "${subject}" } } }] }`,
      "no_auth_user: u",
    );
    onTestFinished(() => nats.stop());
    const servers = nats.url;
    const open = async () => {
      const agent = await startAgent({ servers, name: "one" });
      onTestFinished(() => agent.stop());
      const server = await startServer();
      const fleet = { servers, agents: 1 };
      await (await connect({ to: endpoint(server.address), connections: 2, durationMs: 0, fleet })).done;
    };
    await expect(open()).rejects.toMatchObject({
      code: "E_FLEET",
      message: expect.stringMatching(
        new RegExp(`the NATS server does not let this user ${verb} to "${subject.replace("*", "\\w+")}"$`),
      ),
      fix: expect.stringContaining('"fourtuple.>"'),
    });
  });

  it("does not carry answers of an agent that the server does not let answer, and the agent says so", async () => {
    const nats = await NatsServer.configured(
      'authorization { users: [{ user: u, password: p, permissions: { publish: { deny: "_INBOX.>" } } }] }',
      "no_auth_user: u",
    );
    onTestFinished(() => nats.stop());
    const agent = await startAgent({ servers: nats.url, name: "one" });
    onTestFinished(() => agent.stop());
    const refused: string[] = [];
    agent.on("refused", (reason) => refused.push(reason));
    expect(await askFleet({ servers: nats.url }, agentsOf)).toEqual([]);
    expect(await askFleet({ servers: nats.url }, agentsOf)).toEqual([]);
    expect(refused).toEqual(['the NATS server does not let this user publish to "_INBOX.>"']);
  });

  it("ends what asks again and again when it is closed", async () => {
    const nats = await NatsServer.start([]);
    onTestFinished(() => nats.stop());
    const { bus } = await connectNats({ servers: nats.url }, "test");
    const found = findAgents(bus, 5, "1.2.3");
    const barrier = new Barrier(bus, "run1", { heartbeatMs: 100, leaseMs: 500 });
    const answered = barrier.ask("nobody", { ask: "clock" }, 60_000);
    const closed = { code: "E_FLEET", message: "the connection to NATS is closed" };
    const both = [found, answered].map((each) => expect(each).rejects.toMatchObject(closed));
    await bus.check();
    await bus.close();
    await Promise.all(both);
  });

  it("ends a coordinator that is stopped while an agent still prepares", async () => {
    const nats = await NatsServer.start([]);
    onTestFinished(() => nats.stop());
    const { bus, store } = await connectNats({ servers: nats.url }, "agent");
    onTestFinished(() => bus.close());
    const facts = { version: readVersion(), cores: 1, memoryBytes: 1, addresses: [], host: "", place: "", allows: "" };
    bus.subscribe(SUBJECTS.agents, (_, answer) => answer?.({ id: "id0", name: "slow", ...facts }));
    const asked = new Promise<string>((resolve) => {
      bus.subscribe(SUBJECTS.agent("id0"), (message, answer) => {
        const { ask, run = "" } = message as { ask: string; run?: string };
        if (ask === "clock") answer?.({ nowMs: Date.now() });
        else if (ask === "ceiling") answer?.({ connections: 9, addresses: 1 });
        else if (ask === "prepare") {
          bus.publish(SUBJECTS.beats(run), { agent: "id0" });
          resolve(run);
        }
      });
    });
    const coordinator = startCli(["connect", "127.0.0.1:1", "-c", "2", "--fleet", nats.url, "--lease", "10m"]);
    const run = await asked;
    const startMs = performance.now();
    await stopRun({ bus, store }, run);
    const { code, stderr } = await coordinator.exited();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/Fatal error: the run was stopped before it started/)]);
    // It would wait for this agent for 10 s.
    expect(performance.now() - startMs).toBeLessThan(5000);
  });

  it("is refused in words where no server listens", async () => {
    await expect(startAgent({ servers: `nats://${ownAddress()}:1` })).rejects.toMatchObject({
      code: "E_FLEET",
      message: expect.stringMatching(/^no connection to NATS at "nats:.*": connection refused$/),
    });
  });
});
