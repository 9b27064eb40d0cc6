// Tests E8 with given costs: its verdict, and that figures which are not measured are marked.
import { expect, it } from "vitest";
import type { LabContext } from "../../../src/lab/experiment.js";
import { protocolCost } from "../../../src/lab/experiments/protocol-cost.js";

/** Costs as `doctor --protocol` reports them. */
function prediction(scheme: string) {
  const isSecure = scheme === "tls" || scheme === "wss";
  const sides = (value: number) => ({ client: value, server: value });
  return {
    cost: {
      ...{ kernelBytesPerEnd: 3500, cpuSecondsPerMessage: 20e-6, isMeasured: true },
      protocol: {
        userBytes: sides(isSecure ? 18_000 : 60),
        cpuSecondsPerConnection: sides(isSecure ? 500e-6 : 40e-6),
      },
    },
  };
}

const run = (args: readonly string[]) => ({
  result: Promise.resolve({ stdout: `${JSON.stringify(prediction(args[args.indexOf("--protocol") + 1]!))}\n` }),
});
const context = { testbed: { client: { run } }, progress: () => undefined } as unknown as LabContext;

it("says which user memory is a built-in figure", async () => {
  const { verdict, setup, evidence } = await protocolCost.run(context);
  expect(verdict).toBe("confirmed");
  expect(setup).toContain("built-in figure");
  const table = evidence.find((each) => each.kind === "table")!;
  const users = Object.fromEntries(table.rows.map(([name, , client, server]) => [name, [client, server]]));
  expect(users).toEqual({
    TCP: ["60 B (built-in)", "60 B (built-in)"],
    WebSocket: ["60 B (built-in)", "60 B (built-in)"],
    TLS: ["17.6 KiB", "17.6 KiB"],
    "TLS + WebSocket": ["17.6 KiB", "17.6 KiB"],
    MQTT: ["60 B (built-in)", "60 B (built-in)"],
  });
});
