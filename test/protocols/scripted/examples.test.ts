// Tests the example protocols: both sides against each other in memory, and their clients with foreign servers: redis,
// npm's smtp-server, engine.io and stompit.
import { describe, expect, it, onTestFinished } from "vitest";
import type { ConnectOptions } from "../../../src/index.js";
import type * as Load from "../../../src/protocols/scripted/file/load.js";
import type * as Trial from "../../../src/protocols/scripted/trial/trial.js";
import { parseAddress } from "../../../src/protocols/spec/address.js";
import { scriptedSpec } from "../../../src/protocols/spec/scripted.js";
import { endpoint, ownAddress, ownPort } from "../../support/address.js";
import { connect, ROOT, serve } from "../../support/library.js";
import { hasProgram, start, startProgram } from "../../support/process.js";

const { loadScript } = (await import(`${ROOT}dist/protocols/scripted/file/load.js`)) as typeof Load;
const { tryOut } = (await import(`${ROOT}dist/protocols/scripted/trial/trial.js`)) as typeof Trial;

const fileOf = (name: string) => `${ROOT}examples/protocols/${name}.mjs`;

describe("both sides in memory, however they are cut and whenever they are closed", () => {
  it.each(["resp", "smtp", "game", "engine-io", "stomp"])("%s", async (name) => {
    const script = await loadScript(fileOf(name));
    const address = parseAddress(script.definition.over === "websocket" ? "ws://127.0.0.1:1" : "127.0.0.1:1");
    const specOf = (side: "client" | "server") =>
      scriptedSpec(address, { protocol: name }, { script, side }, undefined);
    const { checks } = tryOut(script.definition, { client: specOf("client"), server: specOf("server") });
    expect(checks.filter(({ problem }) => problem !== undefined)).toEqual([]);
    expect(checks).toHaveLength(5);
  });
});

/** Runs an example's client until its messages have been answered. */
async function run(name: string, to: string, options: Partial<ConnectOptions> = {}) {
  const given = { to, protocol: fileOf(name), connections: 10, durationMs: 600, messageRatePerSec: 10, ...options };
  const client = await connect(given as ConnectOptions);
  const { ready, failures, losses, messages, script } = await client.done;
  expect({ ready, failures, losses, errors: script?.errors }).toEqual({
    ready: 10,
    failures: [],
    losses: [],
    errors: undefined,
  });
  expect(messages).toMatchObject({ unanswered: 0, missed: 0 });
  expect(messages!.answered).toBeGreaterThan(10);
  return { script: script!, messages: messages! };
}

it.skipIf(!hasProgram("redis-server"))("RESP with redis: each answer is the expected one", async () => {
  const [ip, port] = [ownAddress(), ownPort()];
  const redis = start("redis-server", ["--bind", ip, "--port", `${port}`, "--save", "", "--daemonize", "no"]);
  await redis.prints(/Ready to accept connections/);
  const { script } = await run("resp", `${ip}:${port}`);
  expect(script.counters).toEqual([expect.objectContaining({ name: "wrong", value: 0 })]);
});

/** Starts a server of npm's and returns its address. */
async function startForeign(kind: "smtp" | "engine-io" | "stomp"): Promise<string> {
  const [ip, port] = [ownAddress(), ownPort()];
  await startProgram("foreign-server", { kind, ip, port }).prints(/listening/);
  return `${ip}:${port}`;
}

it("SMTP with smtp-server: phases, and replies to NOOP", async () => {
  const { script } = await run("smtp", await startForeign("smtp"));
  expect(script.phases.map(({ name, entered }) => `${name} ${entered}`)).toEqual(["greeting 10", "EHLO 10", "idle 10"]);
});

it("the game: a tick 20 times per second for each player", async () => {
  const server = await serve({ at: `${ownAddress()}:0`, protocol: fileOf("game"), log: "none" });
  onTestFinished(async () => void (await server.stop()));
  const { script } = await run("game", endpoint(server.address));
  // Each of 10 players gets about 12 ticks in 600 ms; a busy machine leaves some out.
  const ticks = script.counters.find(({ name }) => name === "ticks")!.value;
  expect(ticks).toBeGreaterThan(10);
});

it("Engine.IO with engine.io: sessions, and messages that come back", async () => {
  const at = await startForeign("engine-io");
  const { script } = await run("engine-io", `ws://${at}/engine.io/?EIO=4&transport=websocket`);
  expect(script.counters).toEqual([{ name: "pings", value: expect.any(Number) }]);
});

it("STOMP with stompit: each message is delivered to the client that sent it", async () => {
  const { script } = await run("stomp", await startForeign("stomp"));
  expect(script.phases.map(({ entered }) => entered)).toEqual([10, 10]);
});
