// Tests `fourtuple doctor --protocol` end to end: what it measures with real connections, and invalid schemes.
import { expect, it } from "vitest";
import type { Prediction } from "../../../src/index.js";
import { runCli } from "../../support/process.js";

const doctor = (...args: string[]) => runCli(["doctor", "-c", "1k", ...args], { deadlineMs: 120_000 });

const both = (least: number, most: number) => {
  const each = expect.toSatisfy((value: number) => value > least && value < most, `${least} to ${most}`);
  return { client: each, server: each };
};

it("measures memory, handshakes, heartbeats and messages", async () => {
  const { code, stdout } = await doctor("--protocol", "mqtts", "--message-rate", "0.1", "--json");
  const { cost, obstacle }: Prediction = JSON.parse(stdout);
  expect(obstacle).toBeUndefined();
  expect(code).toBe(0);
  expect(cost.isMeasured).toBe(true);
  expect(cost.protocol).toEqual({
    scheme: "mqtts",
    // OpenSSL's state takes 14 to 18 KB, give or take a garbage collection.
    userBytes: both(4000, 60_000),
    cpuSecondsPerConnection: both(20e-6, 0.1),
    handshakesPerSec: { full: both(10, 50_000), resumed: both(10, 50_000) },
    heartbeats: {
      name: "PINGREQ",
      intervalSeconds: 60,
      cpuSeconds: both(1e-6, 0.01),
      // Three frames of 90 bytes with 50 bytes of TLS and MQTT; fewer frames if the next PINGREQ acknowledges.
      wireBytes: expect.toSatisfy((bytes: number) => bytes > 200 && bytes < 500),
      perMillion: { cores: both(0.01, 200), bitsPerSec: expect.any(Number) },
    },
  });
  const { client, server } = cost.protocol!.userBytes;
  expect(cost.bytesPerConnection).toBe(2 * cost.kernelBytesPerEnd + client + server);
  // One message to the server, which acknowledges it.
  expect(cost.areMessagesMeasured).toBe(true);
  expect(cost.cpuSecondsPerMessage).toBeGreaterThan(1e-6);
});

it("says why nothing was measured, and predicts with built-in figures", async () => {
  const { stdout } = await runCli(["doctor", "-c", "1k", "--protocol", "tls"], { nofile: 1000 });
  expect(stdout).toMatch(
    / user 18\.1 KiB for the client, 14\.1 KiB for the server; built-in figures: the open-file limit is too low for the measurement\)$/m,
  );
});

it("names the schemes for an unknown one, and exits with 2", async () => {
  for (const scheme of ["gopher", "wss://", "WS"]) {
    const { code, stderr } = await doctor("--protocol", scheme);
    expect(code).toBe(2);
    expect(stderr).toMatch(/Allowed choices are tcp, tls, ws, wss, http, https, mqtt, mqtts\./);
  }
});
