// Tests that a silent server is told from a path that loses packets, by what the server's host acknowledges.
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { ConnectResult, Diagnosis } from "../../src/index.js";
import { canMakeNamespaces } from "../support/namespace.js";
import { behindLink, FAR, FREE, lossyPath } from "../support/packet-runs.js";
import { CLI_FILE, hasProgram, resultOf, runCli, start } from "../support/process.js";

type Run = ConnectResult & { readonly diagnosis: Diagnosis };

const AT = `${FAR}:7777`;
/** Matches segments with data: handshakes pass. */
const DATA = "tcp dport 7777 tcp flags & psh == psh";
const PATH = { limit: "path", whose: "network" };

/** Starts a server in another namespace. */
async function serveIn(far: string, to = AT, ...args: string[]): Promise<void> {
  const command = ["netns", "exec", far, process.execPath, CLI_FILE, "serve", to, "--log", "none", ...args];
  await start("ip", command).prints(/listening on/);
}

/** Adds a rule of this namespace's firewall, or of another one's. */
function filter(hook: string, rule: string, namespace?: string): void {
  const table = `table inet guard { chain own { type filter hook ${hook} priority 0; ${rule}; }; }`;
  const command = ["nft", table];
  if (namespace) execFileSync("ip", ["netns", "exec", namespace, ...command]);
  else execFileSync(command[0]!, command.slice(1));
}

async function connect(to: string, ...args: string[]): Promise<Run> {
  const { stdout } = await runCli(["connect", to, "-c", "20", ...args, "--json"]);
  return resultOf(stdout);
}

const MESSAGES = ["-m", "ping", "-r", "2", "-T", "1500ms"];

describe.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("messages without an answer", () => {
  it("are lost on the path if the server's host acknowledges nothing", async () => {
    const far = behindLink();
    await serveIn(far);
    filter("input", `${DATA} drop`, far);
    const { diagnosis, messages, evidence } = await connect(AT, ...MESSAGES);
    expect(messages).toMatchObject({ answered: 0, waitingConnections: 20 });
    expect(evidence.unacknowledged).toEqual({ connections: 20, unsent: 0, source: "sock_diag" });
    expect(diagnosis.finding, JSON.stringify(diagnosis)).toMatchObject({
      ...PATH,
      evidence: expect.arrayContaining([expect.stringMatching(/^on 20 of 20 open connections, the kernel had sent/)]),
    });
  });

  it("are the server's if its host acknowledges them", async () => {
    await serveIn(behindLink(), AT, "--mode", "discard");
    const { diagnosis, evidence } = await connect(AT, ...MESSAGES);
    expect(evidence.unacknowledged).toEqual({ connections: 0, unsent: 0, source: "sock_diag" });
    expect(diagnosis.finding).toMatchObject({ limit: "messages", whose: "peer" });
  });

  it("that are longer than the path takes are said to be too long", async () => {
    const far = behindLink();
    await serveIn(far);
    filter("input", "tcp dport 7777 ip length > 1000 drop", far);
    const { diagnosis } = await connect(AT, "--message-size", "2000B", "-r", "2", "-T", "1500ms");
    expect(diagnosis.finding).toMatchObject({ ...PATH, fix: expect.stringContaining("MTU") });
  });

  it("that fill the send buffer are not blamed on a server that reads slowly", async () => {
    const far = behindLink();
    await serveIn(far);
    filter("input", `tcp dport 7777 ip length > 1000 drop`, far);
    const { diagnosis, messages } = await connect(AT, "--message-size", "4000000B", "-r", "2", "-T", "1500ms");
    expect(messages!.blocked).toBeGreaterThan(0);
    expect(diagnosis.finding).toMatchObject(PATH);
  });

  it("name this host's own rule if it drops them", async () => {
    await serveIn(behindLink());
    filter("output", `${DATA} drop`);
    expect((await connect(AT, ...MESSAGES)).diagnosis.finding).toMatchObject({
      limit: "firewall",
      whose: "local",
      meaning: expect.stringContaining(
        "this host drops its own packets: nftables table inet guard, chain own (output)",
      ),
    });
  });

  it("are lost on the path for a client without kernel sockets, too", async () => {
    const far = lossyPath(DATA);
    await serveIn(far);
    const { diagnosis, packets } = await connect(AT, ...FREE, ...MESSAGES);
    expect(packets!.unacknowledged).toBe(20);
    expect(diagnosis.finding, JSON.stringify(diagnosis)).toMatchObject(PATH);
  });

  it("because TCP gave up are not suspected of the server's accept queue", async () => {
    const far = behindLink();
    await serveIn(far);
    filter("input", `${DATA} drop`, far);
    execFileSync("sysctl", ["-qw", "net.ipv4.tcp_retries2=1"]);
    const { diagnosis, losses } = await connect(AT, "-m", "ping", "-r", "2", "-T", "5s");
    expect(losses).toEqual([{ phase: "hold", errno: "ETIMEDOUT", count: 20 }]);
    expect(diagnosis.finding).toMatchObject({ ...PATH, meaning: expect.stringContaining("until TCP gave up") });
  });
});

describe.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("a handshake without an answer", () => {
  const SOON = ["--handshake-timeout", "1s", "-T", "0s"];

  it("is lost on the path, or the server is silent, if data was sent again", async () => {
    const far = behindLink();
    await serveIn(far, `ws://${AT}`);
    filter("input", `${DATA} drop`, far);
    const { diagnosis, failures } = await connect(`ws://${AT}`, ...SOON);
    expect(failures).toEqual([{ phase: "upgrade", errno: "ETIMEDOUT", count: 20 }]);
    expect(diagnosis.suspects.map(({ limit }) => limit)).toEqual(["path", "peer-silent"]);
    expect(diagnosis.suspects[0]!.evidence[1]).toMatch(/^data was sent again \d+ times/);
  });

  it("is the server's if nothing was sent again", async () => {
    await serveIn(behindLink(), AT, "--mode", "discard");
    const { diagnosis } = await connect(`ws://${AT}`, ...SOON);
    expect(diagnosis.finding).toMatchObject({ limit: "peer-silent", whose: "peer" });
  });
});

describe.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("a run that met its target", () => {
  it("notes pings that the server's host has not acknowledged", async () => {
    const far = behindLink();
    await serveIn(far, `ws://${AT}`, "--mode", "discard");
    // A masked ping without content has 6 bytes.
    filter("input", "tcp dport 7777 tcp flags & psh == psh meta length < 100 drop", far);
    const { diagnosis } = await connect(`ws://${AT}`, "--ping-interval", "100ms", "-T", "2s");
    expect(diagnosis).toMatchObject({
      outcome: "met",
      notes: [expect.stringMatching(/^on 20 of 20 open connections, the kernel had sent data again/)],
    });
  });
});
