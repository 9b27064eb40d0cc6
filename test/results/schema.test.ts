// Tests that results match the schemas, and that the schemas match the published ones.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ZodType } from "zod";
import { predictCapacity } from "../../src/capacity/predict.js";
import { explainRun } from "../../src/diagnosis/explain.js";
import { diagnosisSchema } from "../../src/results/diagnosis.js";
import { jsonSchemaFiles } from "../../src/results/json-schema.js";
import { parseResult } from "../../src/results/parse.js";
import { predictionSchema } from "../../src/results/prediction.js";
import { pressureSchema } from "../../src/results/sockets/pressure.js";
import { listenersSchema, socketTableSchema } from "../../src/results/sockets/socket-table.js";
import { countByOwner } from "../../src/socket-table/listeners/owner-counts.js";
import { pressure } from "../../src/socket-table/ports/pressure.js";
import { socketTable } from "../../src/socket-table/summary.js";
import { startClient, startServer } from "../support/peers.js";
import { connectResult, serveResult } from "../support/results.js";
import { within } from "../support/until.js";

const PUBLISHED = new URL("../../docs/schema/", import.meta.url);
const KINDS = ["connect", "serve", "lab"] as const;

const asJson = (value: unknown) => JSON.parse(JSON.stringify(value));

describe("a result", () => {
  it("of a real run is parsed unchanged, from both ends", async () => {
    const server = await startServer();
    const run = await startClient({
      to: `${server.address.ip}:${server.address.port}`,
      connections: 200,
      durationMs: 50,
      message: "ping",
    });
    const ran = await within("the client's end", run.done);
    expect(ran.diagnosis).toEqual(explainRun(ran));
    const client = asJson(ran);
    const served = asJson(await server.stop());
    expect(client.samples.length).toBeGreaterThan(1);
    expect(parseResult(client, KINDS, "run.json")).toEqual(client);
    expect(parseResult(served, KINDS, "run.json")).toEqual(served);
  });

  it("that missed its target, with the server's process, is parsed unchanged", () => {
    const evidence = {
      memoryStop: { availableBytes: 1, floorBytes: 2, bound: "cgroup" as const },
      peer: {
        listeners: [{ ip: "127.0.0.1", port: 7777, uid: 0, acceptQueue: { used: 1, limit: undefined } }],
        process: {
          pid: 1,
          name: "nginx",
          args: ["nginx"],
          isStopped: false,
          nofileLimit: "unlimited" as const,
          openDescriptors: undefined,
        },
      },
    };
    const failures = [{ phase: "connect" as const, errno: "ETIMEDOUT", count: 400 }];
    const result = asJson(connectResult({ evidence, failures }));
    expect(parseResult(result, KINDS, "run.json")).toEqual(result);
  });

  it("of an older version has no samples, and is accepted", () => {
    const { samples: _, ...older } = asJson(connectResult());
    expect(parseResult(older, KINDS, "run.json")).toEqual({ ...older, samples: [] });
  });

  it("of another format is rejected, with its version", () => {
    for (const version of [0, 2]) {
      const other = { ...asJson(connectResult()), version };
      expect(() => parseResult(other, KINDS, "run.json")).toThrow(
        `run.json has format ${version}, and this version of fourtuple reads format 1`,
      );
    }
    expect(() => parseResult({ ...asJson(connectResult()), version: "1" }, KINDS, "run.json")).toThrow(
      /version is invalid/,
    );
  });

  it("with an unknown identifier is rejected, with its path", () => {
    const fixture = JSON.parse(readFileSync(new URL("../output/fixtures/lab.json", import.meta.url), "utf8"));
    for (const verdict of ["not possible here", "toString"]) {
      const other = { ...fixture, experiments: [{ ...fixture.experiments[0], verdict }] };
      expect(() => parseResult(other, ["lab"], "lab.json")).toThrow(
        /experiments\[0\]\.verdict is invalid \(expected one of "confirmed"\|/,
      );
    }
  });

  it("with an invalid diagnosis is parsed without it", () => {
    const result = asJson(connectResult());
    for (const diagnosis of [{ kind: "diagnosis", version: 2 }, 5, { ...explainRun(connectResult()), wanted: -1 }]) {
      expect(parseResult({ ...result, diagnosis }, ["connect"], "run.json").diagnosis).toBeUndefined();
    }
  });

  it("may have unknown fields, which are dropped", () => {
    const result = asJson(connectResult());
    expect(parseResult({ ...result, further: { kind: "further" } }, KINDS, "run.json")).toEqual(result);
  });
});

describe("every field of other output is described by its schema:", () => {
  const expectDescribed = (schema: ZodType, printed: unknown) => {
    const json = asJson(printed);
    // parse() drops fields that the schema does not define.
    expect(schema.parse(json)).toEqual(json);
  };

  it("a diagnosis", async () => {
    const failures = [{ phase: "connect" as const, errno: "ETIMEDOUT", count: 400 }];
    const undecided = explainRun(connectResult({ failures }));
    expect(undecided.suspects.length).toBeGreaterThan(1);
    expectDescribed(diagnosisSchema, undecided);
    expectDescribed(diagnosisSchema, explainRun(serveResult({ rejected: 5 })));
  });

  it("a prediction, including one without a limit", async () => {
    expectDescribed(predictionSchema, await predictCapacity({ measure: false, connectRatePerSec: 10 }));
    const endless = { ...(await predictCapacity({ measure: false, role: "server" })), ceiling: "unlimited" };
    expectDescribed(predictionSchema, endless);
  });

  it("the socket table, its listeners and the pressure on ports", async () => {
    const server = await startServer();
    await startClient({ to: `${server.address.ip}:${server.address.port}`, connections: 20, durationMs: 5000 });
    const table = await socketTable({ memory: true, localPort: server.address.port });
    expect(table.listeners).toHaveLength(1);
    const owners = await countByOwner({ memory: true });
    expectDescribed(socketTableSchema, { ...table, owners, rates: { openedPerSec: 1, closedPerSec: 0 } });
    const { takenAt, elapsedMs, source, wasInterrupted, accepted, counters } = table;
    const head = { kind: "listeners", version: 1, takenAt, elapsedMs, source, wasInterrupted };
    const listeners = [...table.listeners.map((row) => ({ ...row, owner: null })), ...table.listeners];
    expectDescribed(listenersSchema, { ...head, listeners, accepted, counters });
    const pressed = await pressure({ process: true });
    expect(pressed.rows.length).toBeGreaterThan(0);
    expectDescribed(pressureSchema, pressed);
  });
});

describe("an invalid result is rejected, and the field named", () => {
  const connect = asJson(connectResult());
  it.each<[string, unknown, RegExp]>([
    ["a text", "connect", /^run\.json is not a run result: expected a JSON object$/],
    ["null", null, /expected a JSON object$/],
    ["another program's file", { name: "x" }, /kind is missing$/],
    ["a result of another kind", { kind: "diagnosis", version: 1 }, /kind is "diagnosis"$/],
    [
      "a later version's result",
      { ...connect, version: 2 },
      /^run\.json has format 2, and this version of fourtuple reads format 1$/,
    ],
    ["a result with a text for a number", { ...connect, requested: "10" }, /requested is invalid \(expected number/],
    [
      "a result without a field",
      { ...connect, plan: { ...connect.plan, tuplesAvailable: undefined } },
      /plan\.tuplesAvailable is missing$/,
    ],
    [
      "a result with an invalid sample",
      { ...connect, samples: [{ elapsedMs: 1, open: 1, established: 1 }] },
      /samples\[0\]\.failed is missing$/,
    ],
    [
      "a server's result with an invalid failure",
      { ...asJson(serveResult()), failures: [{ phase: "sleep", errno: "X", count: 1 }] },
      /failures\[0\]\.phase is invalid/,
    ],
  ])("%s", (_, value, message) => {
    expect(() => parseResult(value, KINDS, "run.json")).toThrow(message);
  });

  it("and so is a result of an unexpected kind", () => {
    expect(() => parseResult(asJson(serveResult()), ["connect", "lab"], "run.json")).toThrow(/kind is "serve"$/);
  });
});

describe("docs/schema/", () => {
  it("contains exactly what scripts/write-schemas.mjs writes", () => {
    const files = readdirSync(PUBLISHED);
    const committed = Object.fromEntries(files.map((file) => [file, readFileSync(new URL(file, PUBLISHED), "utf8")]));
    expect(committed).toEqual(jsonSchemaFiles());
  });
});
