// Tests accept queues longer than 65,535, up to net.core.somaxconn, as reported by `ss`.
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { canMakeNamespaces, makeNamespace } from "../../support/namespace.js";
import { CLI_FILE, start } from "../../support/process.js";
import { setSysctlIn } from "../../support/sysctl.js";

const skip = !canMakeNamespaces();

/**
 * Starts a server in a namespace whose somaxconn is 200,000.
 * @returns the server and the queue length that ss shows
 */
async function serveWith(backlog: number) {
  const namespace = makeNamespace();
  setSysctlIn(namespace, "net.core.somaxconn", "200000");
  const inNamespace = ["netns", "exec", namespace];
  const serve = [process.execPath, CLI_FILE, "serve", "127.0.0.1:7777", "--log", "none", "--backlog", String(backlog)];
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
