// Tests how many connections the lab opens if the user says so.
import { describe, expect, it } from "vitest";
import type { LabContext } from "../../src/lab/experiment.js";
import { boxBetween } from "../../src/lab/experiments/box-between.js";
import { oneServer } from "../../src/lab/experiments/one-server.js";
import { resolveLab } from "../../src/lab/lab.js";

describe("as many connections as this host can hold", () => {
  it("are opened by the experiments that can", () => {
    expect(resolveLab({ connections: "max", only: ["E9", "e10"] })).toMatchObject({
      requested: "max",
      isSelected: true,
    });
  });

  it.each([
    ["all experiments", {}, /only E9 and E10 can/],
    ["another experiment", { only: ["E2", "E9"] }, /only E9 and E10 can/],
    ["a quick run", { only: ["E9"], quick: true }, /takes minutes/],
  ])("are rejected with %s", (_, options, reason) => {
    expect(() => resolveLab({ ...options, connections: "max" })).toThrow(reason);
  });
});

it.each([oneServer, boxBetween])("$id is not possible over loopback", async ({ run }) => {
  const context = { testbed: { description: { kind: "loopback" } } } as LabContext;
  await expect(run(context)).rejects.toMatchObject({ code: "E_PLATFORM", fix: expect.stringMatching(/as root/) });
});
