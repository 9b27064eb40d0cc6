// Tests where the demo runs if memory for clients with kernel sockets is short.
import { expect, it } from "vitest";
import { assertFiles, memoryObstacle } from "../../../src/cli/demo/place.js";
import { tunObstacle } from "../../../src/linux/tun/tun.js";
import { canMakeNamespaces } from "../../support/namespace.js";
import { start } from "../../support/process.js";

const GIB = 1024 ** 3;
const room = (bytes: number) => ({ bound: "host" as const, availableBytes: bytes, floorBytes: 0 });

function canMakeDevices(): boolean {
  const errno = tunObstacle();
  if (errno !== undefined) console.warn(`skipped: no TUN device can be made: ${errno}`);
  return errno === undefined;
}

it("memory is short if it does not suffice for both ends", () => {
  expect(memoryObstacle(1_000_000, room(9 * GIB))).toBeUndefined();
  expect(memoryObstacle(1_000_000, room(7 * GIB))).toMatch(/^both ends of 1,000,000 connections take about 7\.8\d GiB/);
  // A cgroup is charged for less than what a socket takes.
  expect(memoryObstacle(1_000_000, { ...room(7 * GIB), bound: "cgroup" })).toBeUndefined();
});

it.skipIf(!canMakeNamespaces() || !canMakeDevices())("the demo then has clients without kernel sockets", async () => {
  const program = "test/support/programs/short-demo.mjs";
  const { code, stdout, stderr } = await start(process.execPath, [program, "2000", "1000000"]).exited();
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^both ends of 2,000 connections take about 16\.\d MiB of memory, and 977 KiB may be used$/m);
  expect(stdout).toMatch(/^so the client speaks TCP itself \(--transport packet\)/m);
  expect(stdout).toMatch(/2,000 ESTABLISHED sockets\s+with the same local port: 7777/);
  expect(stdout).toMatch(/ 10\.128\.\d+\.\d+:\d+ →/u);
  expect(stdout).toMatch(/^The client has no kernel sockets/m);
});

it("the demo refuses to begin if the host has too few open files for the kernel sockets", () => {
  const room = { open: 1000, max: 2_000_000, reserve: 100_000 };
  expect(() => assertFiles(949_500, { ends: 2 }, room)).not.toThrow();
  expect(() => assertFiles(1_899_000, { ends: 1 }, room)).not.toThrow();
  expect(() => assertFiles(1_899_001, { ends: 1 }, room)).toThrow(
    expect.objectContaining({
      code: "E_OPTION",
      fix: expect.stringMatching(/^sysctl -w fs\.file-max=201\d{4}, or --connections 1899000$/),
    }),
  );
  expect(() => assertFiles(1000, { ends: 2 }, { ...room, open: 1_900_000 })).toThrow(
    expect.objectContaining({ fix: expect.stringMatching(/^sysctl -w fs\.file-max=\d+$/) }),
  );
});
