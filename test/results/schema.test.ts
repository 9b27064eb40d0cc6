// Results are what the schemas say, and the schemas are what is published.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, expectTypeOf, it } from "vitest";
import type { z } from "zod";
import type { ConnectResult, ServeResult } from "../../src/index.js";
import type { LabResult } from "../../src/lab/result.js";
import type { connectSchema } from "../../src/results/schema/connect.js";
import { jsonSchemaFiles } from "../../src/results/schema/json-schema.js";
import type { labSchema } from "../../src/results/schema/lab.js";
import { parseResult } from "../../src/results/schema/parse.js";
import type { serveSchema } from "../../src/results/schema/serve.js";
import { startClient, startServer } from "../support/peers.js";
import { connectResult, serveResult } from "../support/results.js";
import { within } from "../support/until.js";

const PUBLISHED = new URL("../../docs/schema/", import.meta.url);
const KINDS = ["connect", "serve", "lab"] as const;

const asJson = (value: unknown) => JSON.parse(JSON.stringify(value));

/** A type as its JSON would be read: nothing is readonly, and what may be undefined may be missing. */
type Plain<T> = T extends readonly unknown[]
  ? { -readonly [K in keyof T]: Plain<T[K]> }
  : T extends object
    ? { -readonly [K in keyof T as undefined extends T[K] ? never : K]: Plain<T[K]> } & {
        -readonly [K in keyof T as undefined extends T[K] ? K : never]?: Plain<T[K]> | undefined;
      }
    : T;

describe("a result", () => {
  it("has the type that its schema has", () => {
    expectTypeOf<Plain<ServeResult>>().toExtend<Plain<z.output<typeof serveSchema>>>();
    expectTypeOf<Plain<z.output<typeof serveSchema>>>().toExtend<Plain<ServeResult>>();
    expectTypeOf<Plain<LabResult>>().toExtend<Plain<z.output<typeof labSchema>>>();
    expectTypeOf<Plain<z.output<typeof labSchema>>>().toExtend<Plain<LabResult>>();
    expectTypeOf<Plain<ConnectResult>>().toExtend<Plain<z.output<typeof connectSchema>>>();
    // JSON has null for a limit that is infinite; else they are the same.
    type Read = Omit<z.output<typeof connectSchema>, "evidence">;
    expectTypeOf<Plain<Read>>().toExtend<Plain<Omit<ConnectResult, "evidence">>>();
  });

  it("of a real run is read as it was, from both ends", async () => {
    const server = await startServer();
    const run = await startClient({
      to: `${server.address.ip}:${server.address.port}`,
      connections: 200,
      durationMs: 50,
      message: "ping",
    });
    const client = asJson(await within("the client's end", run.done));
    const served = asJson(await server.stop());
    expect(client.samples.length).toBeGreaterThan(1);
    expect(parseResult(client, KINDS, "run.json")).toEqual(client);
    expect(parseResult(served, KINDS, "run.json")).toEqual(served);
  });

  it("that missed its target, with the server's process, is read as it was", () => {
    const evidence = {
      memoryStop: { availableBytes: 1, floorBytes: 2, bound: "cgroup" as const },
      peer: {
        listeners: [{ ip: "127.0.0.1", port: 7777, uid: 0, acceptQueue: { used: 1, limit: undefined } }],
        process: {
          pid: 1,
          name: "nginx",
          args: ["nginx"],
          isStopped: false,
          nofileLimit: Number.POSITIVE_INFINITY,
          openDescriptors: undefined,
        },
      },
    };
    const failures = [{ phase: "connect" as const, errno: "ETIMEDOUT", count: 400 }];
    const result = asJson(connectResult({ evidence, failures }));
    expect(parseResult(result, KINDS, "run.json")).toEqual(result);
  });

  it("of an older version has no samples, and is read", () => {
    const { samples: _, ...older } = asJson(connectResult());
    expect(parseResult(older, KINDS, "run.json")).toEqual({ ...older, samples: [] });
  });

  it("may have more beside it, which is left out", () => {
    const result = asJson(connectResult());
    expect(parseResult({ ...result, diagnosis: { kind: "diagnosis" } }, KINDS, "run.json")).toEqual(result);
  });
});

describe("what is no result is refused, and the field named", () => {
  const connect = asJson(connectResult());
  it.each<[string, unknown, RegExp]>([
    ["a text", "connect", /^run\.json is no result of a run: it is no object$/],
    ["null", null, /it is no object$/],
    ["another program's", { name: "x" }, /kind is missing$/],
    ["another kind's", { kind: "diagnosis", version: 1 }, /kind is "diagnosis"$/],
    ["a later version's", { ...connect, version: 2 }, /version is not as it should be \(expected 1\)$/],
    ["one with a text for a number", { ...connect, asked: "10" }, /asked is not as it should be \(expected number/],
    [
      "one without a field",
      { ...connect, plan: { ...connect.plan, tuplesAvailable: undefined } },
      /plan\.tuplesAvailable is missing$/,
    ],
    [
      "one with a wrong sample",
      { ...connect, samples: [{ elapsedMs: 1, open: 1, established: 1 }] },
      /samples\[0\]\.failed is missing$/,
    ],
    [
      "a server's with a wrong failure",
      { ...asJson(serveResult()), failures: [{ phase: "sleep", errno: "X", count: 1 }] },
      /failures\[0\]\.phase is not/,
    ],
  ])("%s", (_, value, message) => {
    expect(() => parseResult(value, KINDS, "run.json")).toThrow(message);
  });

  it("as is one of a kind that was not asked for", () => {
    expect(() => parseResult(asJson(serveResult()), ["connect", "lab"], "run.json")).toThrow(/kind is "serve"$/);
  });
});

describe("docs/schema/", () => {
  it("has what scripts/write-schemas.mjs writes, and no more", () => {
    const files = readdirSync(PUBLISHED);
    const committed = Object.fromEntries(files.map((file) => [file, readFileSync(new URL(file, PUBLISHED), "utf8")]));
    expect(committed).toEqual(jsonSchemaFiles());
  });
});
