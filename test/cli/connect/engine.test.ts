// Tests --engine: the run uses and reports the requested engine, or names the reason why it is unavailable.
import { describe, expect, it } from "vitest";
import { ownAddress } from "../../support/address.js";
import { startForeignServer } from "../../support/peers.js";
import { resultOf, runCli, startCli } from "../../support/process.js";
import { hasUring } from "../../support/ring.js";

describe.skipIf(!hasUring)("--engine uring", () => {
  it("opens, holds and closes connections in rings, and names the engine", async () => {
    const { at } = await startForeignServer((socket) => socket.write("hi"));
    const args = ["connect", at, "-c", "500", "-T", "0", "--engine", "uring"];
    const { code, stdout } = await runCli(args);
    expect(stdout).toMatch(/^ +engine +io_uring\n +threads +\d+$/m);
    expect(code, stdout).toBe(0);
    const result = resultOf((await runCli([...args, "--json"])).stdout);
    expect(result).toMatchObject({ established: 500, engine: { name: "uring", requested: "uring" } });
    expect(result.kernel).toMatchObject({ outgoing: 500 });
    expect(result.traffic.receivedBytes).toBe(1000);
  });

  it("holds a single connection", async () => {
    const { at } = await startForeignServer((socket) => socket.end("hi"));
    const { code, stdout } = await runCli(["connect", at, "--engine", "uring"]);
    expect(stdout).toMatch(/client address .+\nreceive hi from server\n/);
    expect(code).toBe(0);
  });
});

describe.skipIf(!hasUring)("serve --engine uring", () => {
  it("accepts, greets and holds connections in rings, and names the engine", async () => {
    const server = startCli(["serve", `${ownAddress()}:0`, "--engine", "uring", "--json", "--log", "none"]);
    const { ip, port } = JSON.parse((await server.prints(/.+\n/))[0]);
    const args = ["connect", `${ip}:${port}`, "-c", "500", "-T", "0", "--json"];
    const client = resultOf((await runCli(args)).stdout);
    expect(client).toMatchObject({ outcome: "met", established: 500, traffic: { receivedBytes: 2500 } });
    server.child.kill("SIGTERM");
    const { code, stdout } = await server.exited();
    expect(code).toBe(0);
    expect(resultOf(stdout)).toMatchObject({
      ...{ accepted: 500, peakOpen: 500, sentBytes: 2500, failures: [] },
      engine: { name: "uring", requested: "uring" },
    });
  });

  it("is rejected with the cause before it listens", async () => {
    const args = ["serve", `${ownAddress()}:0`, "--engine", "uring"];
    const { code, stdout, stderr } = await runCli(args, { refused: ["io_uring_setup"] });
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(/the uring engine is unavailable: seccomp/);
  });
});

it("--engine epoll is named as well", async () => {
  const { at } = await startForeignServer();
  const { stdout } = await runCli(["connect", at, "-c", "2", "-T", "0", "--engine", "epoll"]);
  expect(stdout).toMatch(/^ +engine +epoll$/m);
});

it("a container that blocks io_uring is reported before anything is opened, with exit code 3", async () => {
  const args = ["connect", `${ownAddress()}:9`, "-c", "2", "--engine", "uring"];
  const { code, stdout, stderr } = await runCli(args, { refused: ["io_uring_setup"] });
  expect([code, stdout]).toEqual([3, ""]);
  expect(stderr).toMatch(/Fatal error: the uring engine is unavailable: seccomp .+ blocks io_uring/);
  expect(stderr).toMatch(/fix: allow io_uring_setup.+; or use --engine epoll/);
});

it.each([
  [["--engine", "kqueue"], /Allowed choices are auto, epoll, uring/],
  [["--engine", "uring", "--one-table"], /--one-table has no effect with the uring engine/],
])("connect %s is rejected", async (options, said) => {
  const { code, stderr } = await runCli(["connect", `${ownAddress()}:9`, ...options]);
  expect(code).toBe(2);
  expect(stderr).toMatch(said);
});
