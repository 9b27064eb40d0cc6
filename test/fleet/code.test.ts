// Tests user-defined protocols over a fleet: agents refuse code unless they were told to run it, store it where only
// their user can write, and number their connections, and so the rows of a data file, over the whole fleet.
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { storeCode } from "../../dist/fleet/agent/code-store.js";
import { withContents } from "../../src/fleet/contents.js";
import type { FleetAgent } from "../../src/index.js";
import type { RunSpec } from "../../src/planning/run-spec.js";
import { endpoint, ownAddress } from "../support/address.js";
import { connect, ROOT, serve, startAgent } from "../support/library.js";
import { HAS_NATS, NatsServer } from "../support/nats.js";
import { startServer } from "../support/peers.js";

const PROTOCOL = `
import { defineProtocol } from "fourtuple/protocol";
export default defineProtocol({
  name: "rows",
  framing: { delimiter: "\\n" },
  data: ["user"],
  metrics: { named: "counter" },
  client: {
    opened(c) { c.send(c.row.user + "\\n"); },
    received(c, frame) {
      if (frame.text() === c.row.user) c.metrics.named.add();
      c.ready();
    },
  },
  server: {
    opened(c) { c.ready(); },
    received(c, frame) {
      if (frame.text().startsWith("user-") && c.row.user.startsWith("user-")) c.metrics.named.add();
      c.send(frame.text() + "\\n");
    },
  },
});`;
const ROWS = 12;

describe.runIf(HAS_NATS)("a protocol of one's own over a fleet", () => {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-code-"));
  const [protocol, data] = ["rows.mjs", "users.csv"].map((name) => join(folder, name)) as [string, string];
  const cache = join(folder, "cache");
  const before = process.env.XDG_CACHE_HOME;
  let nats: NatsServer;
  let agents: FleetAgent[] = [];

  beforeAll(async () => {
    process.env.XDG_CACHE_HOME = cache;
    writeFileSync(protocol, PROTOCOL);
    // As if installed there, which older versions of Node need.
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(ROOT, join(folder, "node_modules", "fourtuple"));
    writeFileSync(data, ["user", ...Array.from({ length: ROWS }, (_, n) => `user-${n}`), ""].join("\n"));
    nats = await NatsServer.start([]);
    agents = await Promise.all(["a", "b"].map((name) => startAgent({ servers: nats.url, name, allowCode: true })));
  });

  afterAll(async () => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
    await Promise.all(agents.map((agent) => agent.stop()));
    await nats?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = async (to: string, fleet = {}) =>
    (
      await connect({
        ...{ to, protocol, data, dataOnce: true, connections: ROWS, durationMs: 0 },
        fleet: { servers: nats.url, agents: 2, ...fleet },
      })
    ).done;

  it("runs on all agents, with each row of the data once, from private folders", async () => {
    const server = await startServer({ mode: "echo" });
    const told = new Promise<string>((resolve) => agents[0]!.on("code", (_, text) => resolve(text)));
    const result = await run(endpoint(server.address));
    expect(result).toMatchObject({ outcome: "met", established: ROWS, ready: ROWS });
    expect(result.script?.counters).toMatchObject([{ name: "named", value: ROWS }]);
    expect([result.script?.file, result.script?.data].map((path) => basename(path!))).toEqual([
      "rows.mjs",
      "users.csv",
    ]);
    expect(await told).toMatch(/^protocol rows, SHA-256 [0-9a-f]{64}$/);
    const [, hash] = /SHA-256 (.*)/.exec(await told)!;
    const stored = join(cache, "fourtuple", "code");
    expect(readdirSync(stored)).toContain(hash);
    for (const each of readdirSync(stored)) expect(statSync(join(stored, each)).mode & 0o777).toBe(0o700);
    // Nothing is run from a folder that others can write to, or could replace.
    for (const open of [join(stored, hash!), stored, join(cache, "fourtuple")]) {
      chmodSync(open, 0o777);
      await expect(run(endpoint(server.address))).rejects.toMatchObject({
        code: "E_PERMISSION",
        message: expect.stringMatching(/is not a folder of this user alone/),
      });
      chmodSync(open, 0o700);
    }
  });

  it("is refused before anything is dealt if the data has too few rows for all agents together", async () => {
    const server = await startServer({ mode: "echo" });
    const tooMany = connect({
      ...{ to: endpoint(server.address), protocol, data, dataOnce: true, connections: ROWS + 1, durationMs: 0 },
      fleet: { servers: nats.url, agents: 2 },
    });
    await expect(tooMany).rejects.toMatchObject({
      code: "E_OPTION",
      message: "users.csv has 12 rows for 13 connections",
    });
  });

  it("is refused in words if its data is too large to be sent", () => {
    const large = join(folder, "large.csv");
    writeFileSync(large, "user\n");
    truncateSync(large, 40 * 2 ** 20);
    const spec = { protocol: { name: "scripted", file: protocol, data: { file: large } } } as unknown as RunSpec;
    expect(() => withContents(spec)).toThrow(/large\.csv" has 40\.0 MiB, and agents are sent at most 32\.0 MiB/);
  });

  it("is stored under another name if its own is no plain one", async () => {
    const code = Buffer.from(PROTOCOL);
    const sha256 = createHash("sha256").update(code).digest("hex");
    const contents = { code: code.toString("base64"), data: "" };
    const stored = async (name: string, rows: string) => {
      const { file, data: of } = await storeCode({ title: "rows", file: name, sha256, contents, data: { file: rows } });
      return [basename(file), basename(of!)];
    };
    expect(await stored("/a/../chat-2.mjs", "b/u.1.csv")).toEqual(["chat-2.mjs", "u.1.csv"]);
    expect(await stored("/a/..", "../package.json")).toEqual(["protocol.mjs", "data.csv"]);
    expect(await stored(".mjs", "a\nb.csv")).toEqual(["protocol.mjs", "data.csv"]);
    // The extension tells how to read the file.
    expect(await stored("my chat.js", "my rows.jsonl")).toEqual(["protocol.js", "data.jsonl"]);
    expect(await stored("chat.mjs", "Köln.ndjson")).toEqual(["chat.mjs", "data.ndjson"]);
    expect(await stored("chat.mjs", "ROWS.CSV")).toEqual(["chat.mjs", "ROWS.CSV"]);
  });

  it("is not run if its hash is not the one that the agent shows", async () => {
    const marker = join(folder, "ran");
    const code = `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(marker)}, "");`;
    const contents = { code: Buffer.from(code).toString("base64") };
    const protocol = { title: "rows", file: "rows.mjs", sha256: "0".repeat(64), contents };
    await expect(storeCode(protocol)).rejects.toThrow("is not the one");
    expect(existsSync(marker)).toBe(false);
  });

  it("is served by all agents, each with the whole data file, and its metrics are added up", async () => {
    const at = `${ownAddress()}:0`;
    const fleet = { servers: nats.url, agents: 2 };
    const servers = await serve({ at, protocol, data, fleet });
    const to = servers.members.map(({ address }) => endpoint(address!));
    const clients = await connect({ to, protocol, data, connections: 2 * ROWS, durationMs: 0 });
    expect(await clients.done).toMatchObject({ outcome: "met", ready: 2 * ROWS });
    const result = await servers.stop();
    expect(result).toMatchObject({ protocol: "scripted", accepted: 2 * ROWS, script: { errors: undefined } });
    expect(result.script?.counters).toMatchObject([{ name: "named", value: 2 * ROWS }]);
  });

  it("is removed a week after its last use, and nothing else is", async () => {
    const [old, fresh, other] = ["a".repeat(64), "b".repeat(64), "notes"].map((name) =>
      join(cache, "fourtuple", "code", name),
    ) as [string, string, string];
    for (const folder of [old, fresh, other]) mkdirSync(folder, { recursive: true });
    const longAgo = (Date.now() - 8 * 24 * 3600 * 1000) / 1000;
    for (const folder of [old, other]) utimesSync(folder, longAgo, longAgo);
    await (await startAgent({ servers: nats.url, name: "c", allowCode: true })).stop();
    expect([old, fresh, other].map(existsSync)).toEqual([false, true, true]);
  });

  it("is refused by agents that were not told to run code", async () => {
    const server = await startServer({ mode: "echo" });
    await Promise.all(agents.map((agent) => agent.stop()));
    agents = [await startAgent({ servers: nats.url, name: "careful" })];
    await expect(run(endpoint(server.address), { agents: 1 })).rejects.toMatchObject({
      code: "E_NOT_AUTHORIZED",
      message: expect.stringMatching(/^agent careful: this agent does not run code .* SHA-256 [0-9a-f]{64}/),
    });
    const at = `${ownAddress()}:0`;
    await expect(serve({ at, protocol, data, fleet: { servers: nats.url, agents: 1 } })).rejects.toMatchObject({
      code: "E_NOT_AUTHORIZED",
    });
  });
});

it("a protocol of several files is refused by name, and one that uses Node's modules is not", () => {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-code-"));
  const file = join(folder, "several.mjs");
  const specFor = (text: string) => {
    writeFileSync(file, text);
    return { protocol: { name: "scripted", file } } as unknown as RunSpec;
  };
  try {
    expect(() => withContents(specFor('import { x } from "./other.mjs";'))).toThrow(
      /imports "\.\/other\.mjs", and agents/,
    );
    expect(() => withContents(specFor('const url = "http://a"; import("./other.mjs"); // later'))).toThrow(
      /other\.mjs/,
    );
    const alone = [
      "/* The frames are those from 'RFC 1', */ // and the rows come from \"users.csv\".",
      'import { createHash } from "node:crypto";',
      'import { defineProtocol } from "fourtuple/protocol";',
    ].join("\n");
    expect(withContents(specFor(alone)).protocol).toMatchObject({
      contents: { code: Buffer.from(alone).toString("base64") },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
