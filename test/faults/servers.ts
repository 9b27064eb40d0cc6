// Third-party servers for the fault matrix, and fourtuple's server in a namespace.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { ownAddress, ownPort } from "../support/address.js";
import { listeningAt } from "../support/kernel.js";
import { start } from "../support/process.js";
import { until } from "../support/until.js";
import { startAt, type Testbed } from "./scenario.js";

/** Starts `fourtuple serve` in a namespace. */
export async function serveIn(namespace: string, ...options: string[]): Promise<{ at: string; testbed: Testbed }> {
  const testbed: Testbed = { prefix: ["ip", "netns", "exec", namespace], namespace };
  const server = startAt(testbed, ["serve", "127.0.0.1:7777", "--log", "none", ...options]);
  await server.prints(/listening on/);
  return { at: "127.0.0.1:7777", testbed };
}

export async function startRedis(maxClients: number): Promise<string> {
  const [ip, port, folder] = [ownAddress(), ownPort(), ownFolder()];
  start("redis-server", [
    ...["--bind", ip, "--port", String(port), "--maxclients", String(maxClients), "--tcp-backlog", "511"],
    ...["--save", "", "--appendonly", "no", "--dir", folder, "--daemonize", "no", "--protected-mode", "no"],
  ]);
  await until("redis listens", () => listeningAt({ ip, port }) === 1);
  return `${ip}:${port}`;
}

export async function startNginx(workerConnections: number): Promise<string> {
  const [ip, port, folder] = [ownAddress(), ownPort(), ownFolder()];
  const file = join(folder, "nginx.conf");
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections ${workerConnections}; }
http { access_log off; client_header_timeout 1h; server { listen ${ip}:${port} backlog=4096; return 204; } }`,
  );
  start("nginx", ["-p", folder, "-c", file]);
  await until("nginx listens", () => listeningAt({ ip, port }) === 1);
  return `${ip}:${port}`;
}

function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
