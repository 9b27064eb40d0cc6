// Starts nginx as a foreign server in its own folder. A test supplies the contents of the `server` block.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { ownAddress, ownPort } from "./address.js";
import { listeningAt } from "./kernel.js";
import { start } from "./process.js";
import { until } from "./until.js";

export interface Nginx {
  readonly ip: string;
  readonly port: number;
  readonly at: string;
  readonly folder: string;
  /**
   * Lines of nginx's access log: number of the connection, number of requests on it so far, request line,
   * status.
   */
  requests(): string[];
}

/**
 * @param server lines of the server block
 * @param http lines of the http block
 * @param listen options of the listen directive
 */
export async function startNginx(server: string, http = "", listen = ""): Promise<Nginx> {
  const [ip, port] = [ownAddress(), ownPort()];
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-nginx-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off; master_process off; error_log error.log; pid pid;
events { worker_connections 4096; }
http {
  log_format short '$connection $connection_requests $request $status';
  access_log access.log short;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  ${http}
  server { listen ${ip}:${port} backlog=4096 ${listen}; ${server} }
}`,
  );
  const nginx = start("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")]);
  await until("nginx listens", () => !nginx.isRunning || listeningAt({ ip, port }) === 1);
  if (!nginx.isRunning) throw new Error(`nginx has ended: ${nginx.stderr}`);
  const requests = () => readFileSync(join(folder, "access.log"), "utf8").split("\n").filter(Boolean);
  return { ip, port, at: `${ip}:${port}`, folder, requests };
}
