// Tests refusals by firewalls and neighbours on the way to a server on another host, and which destinations they concern.
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { ConnectResult, Diagnosis } from "../../src/index.js";
import { canMakeNamespaces } from "../support/namespace.js";
import { behindLink, FAR } from "../support/packet-runs.js";
import { CLI_FILE, hasProgram, resultOf, runCli, start } from "../support/process.js";
import { listenRaw } from "../support/raw-sockets.js";

type Run = ConnectResult & { readonly diagnosis: Diagnosis };

const AT = `${FAR}:7777`;

/** Starts a server in another namespace. @returns the namespace's name */
async function serveFar(): Promise<string> {
  const far = behindLink();
  const command = ["netns", "exec", far, process.execPath, CLI_FILE, "serve", "[::]:7777", "--log", "none"];
  await start("ip", command).prints(/listening on/);
  return far;
}

/** Adds a rule of this namespace's firewall, or of another one's. */
function filter(hook: string, rule: string, namespace?: string): void {
  const table = `table inet guard { chain own { type filter hook ${hook} priority 0; ${rule}; }; }`;
  if (namespace) execFileSync("ip", ["netns", "exec", namespace, "nft", table]);
  else execFileSync("nft", [table]);
}

async function connect(...args: string[]): Promise<Run> {
  return resultOf((await runCli(["connect", ...args, "-T", "0s", "--json"])).stdout);
}

describe.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("a firewall on another host", () => {
  it("that resets connections above a number is not taken for a server that has exited", async () => {
    const far = await serveFar();
    filter("input", "tcp dport 7777 ct state new ct count over 10 reject with tcp reset", far);
    const { diagnosis, established } = await connect(AT, "-c", "20");
    expect(established).toBe(10);
    expect(diagnosis.suspects).toMatchObject([
      { limit: "path", whose: "network", meaning: expect.stringContaining("above a limit on their number (10)") },
      { limit: "listener", whose: "peer", meaning: expect.stringContaining("keeps its accepted connections") },
    ]);
  });

  it.each(["port-unreachable", "host-prohibited"])(
    "that rejects with ICMP %s is not taken for a missing server or host",
    async (type) => {
      const far = await serveFar();
      filter("input", `tcp dport 7777 ct state new ct count over 3 reject with icmp type ${type}`, far);
      const { diagnosis } = await connect(AT, "-c", "8");
      expect(diagnosis.finding, JSON.stringify(diagnosis)).toMatchObject({
        limit: "path",
        whose: "network",
        meaning: expect.stringContaining("it answers with ICMP"),
        evidence: expect.arrayContaining(["3 were established"]),
      });
    },
  );

  it("that limits the rate of its ICMP messages is recognized by those that it sends", async () => {
    const far = await serveFar();
    filter("input", "tcp dport 7777 reject with icmp type admin-prohibited", far);
    const { diagnosis, failures } = await connect(AT, "-c", "100", "--connect-timeout", "500ms");
    expect(failures[0]).toMatchObject({ errno: "ETIMEDOUT" });
    expect(diagnosis.finding, JSON.stringify(diagnosis)).toMatchObject({
      limit: "path",
      meaning: expect.stringMatching(/answers with ICMP.*limits the rate of its messages/),
    });
  });
});

describe.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("a rule of this host that names no port", () => {
  it("is suspected on output if it rejects", async () => {
    await serveFar();
    filter("output", `ip daddr ${FAR} reject with tcp reset`);
    const { diagnosis } = await connect(AT, "-c", "20");
    expect(diagnosis.suspects.map(({ limit }) => limit)).toEqual(["firewall", "listener"]);
    expect(diagnosis.suspects[0]!.meaning).toContain("table inet guard, chain own (output)");
  });

  it("is not mixed up with a server that starts late if that has listened all the time", async () => {
    behindLink();
    listenRaw("127.0.0.1", 7777);
    filter("input", "meta l4proto tcp ct state new ct count over 5 reject with tcp reset");
    const { diagnosis } = await connect("127.0.0.1:7777", "-c", "20");
    expect(diagnosis.finding, JSON.stringify(diagnosis)).toMatchObject({
      limit: "path",
      fix: expect.stringContaining("table inet guard, chain own (input)"),
    });
  });
});

describe.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("one of several destinations", () => {
  it("is named if nothing listens there", async () => {
    await serveFar();
    const { diagnosis } = await connect(AT, `${FAR}:7778`, "-c", "20");
    expect(diagnosis.finding).toMatchObject({
      limit: "listener",
      meaning: `nothing listens on ${FAR}:7778: 1 of the 2 destinations`,
    });
  });

  it("is named if it does not answer, and the others' queues are not suspected", async () => {
    const far = await serveFar();
    execFileSync("ip", ["-n", far, "addr", "add", "10.98.0.3/24", "dev", "far"]);
    filter("input", "ip daddr 10.98.0.3 tcp dport 7777 drop", far);
    const { diagnosis } = await connect(AT, "10.98.0.3:7777", "-c", "20", "--connect-timeout", "500ms");
    expect(diagnosis.suspects.map(({ limit }) => limit)).toEqual(["path", "route"]);
    for (const { evidence } of diagnosis.suspects) {
      expect(evidence.at(-1)).toBe("every connection to 10.98.0.3:7777 failed, and none to the other destination");
    }
  });

  it("is not said to be down if its host answers on another port", async () => {
    const far = await serveFar();
    filter("input", "tcp dport 7778 drop", far);
    const { diagnosis } = await connect(AT, `${FAR}:7778`, "-c", "20", "--connect-timeout", "500ms");
    expect(diagnosis.suspects.map(({ limit }) => limit)).toEqual(["path", "accept-queue"]);
  });
});

describe.skipIf(!canMakeNamespaces())("an address that nobody has", () => {
  it.each(["10.98.0.99:7777", "[fd00:98::99]:7777"])("is told from a refusal by another host: %s", async (to) => {
    behindLink();
    const { diagnosis } = await connect(to, "-c", "3");
    expect(diagnosis.finding).toMatchObject({
      limit: "route",
      whose: "network",
      evidence: ["3 × EHOSTUNREACH (connect)", "no ICMP message from another host said so"],
    });
  });
});
