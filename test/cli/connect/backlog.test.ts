// Tests accept queues longer than 65,535, up to net.core.somaxconn, as reported by `ss`.
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { canMakeNamespaces, makeNamespace } from "../../support/namespace.js";
import { CLI_FILE, start } from "../../support/process.js";
import { setSysctlIn } from "../../support/sysctl.js";

const skip = !canMakeNamespaces();

/**
 * Starts a server in a namespace of its own.
 * @returns the server and the queue length that ss shows
 */
async function serveWith(backlog: number | undefined, somaxconn = 200_000) {
  const namespace = makeNamespace();
  setSysctlIn(namespace, "net.core.somaxconn", String(somaxconn));
  const inNamespace = ["netns", "exec", namespace];
  const options = backlog === undefined ? [] : ["--backlog", String(backlog)];
  const serve = [process.execPath, CLI_FILE, "serve", "127.0.0.1:7777", "--log", "none", ...options];
  const server = start("ip", [...inNamespace, ...serve]);
  await server.prints(/listening on/);
  const ss = spawnSync("ip", [...inNamespace, "ss", "-Hltn", "sport = :7777"], { encoding: "utf8" });
  // The columns are State, Recv-Q and Send-Q; Send-Q is the limit of the accept queue.
  return { queue: Number(ss.stdout.trim().split(/\s+/)[2]), server };
}

it.skipIf(skip)("are as long as requested", async () => {
  const { queue, server } = await serveWith(100_000);
  expect(queue).toBe(100_000);
  expect(server.stderr).not.toContain("note:");
  server.child.kill("SIGINT");
  expect((await server.exited()).stdout).toContain("length 100,000");
});

it.skipIf(skip)("are as long as the kernel permits, with a note that says so", async () => {
  const { queue, server } = await serveWith(300_000);
  expect(queue).toBe(200_000);
  expect(server.stderr).toContain("note: the backlog is 200,000, not 300,000: capped by net.core.somaxconn");
});

it.skipIf(skip)("of the default length need no note on a kernel with usual settings", async () => {
  const { queue, server } = await serveWith(undefined, 4096);
  expect(queue).toBe(4096);
  expect(server.stderr).not.toContain("note:");
});

it.skipIf(skip)("of the default length come with a note if they are unusually short", async () => {
  const { queue, server } = await serveWith(undefined, 128);
  expect(queue).toBe(128);
  expect(server.stderr).toContain("note: the backlog is 128, not 4,096: capped by net.core.somaxconn");
  expect(server.stderr).toContain("fix: sysctl -w net.core.somaxconn=4096");
});
