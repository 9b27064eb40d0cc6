// nginx with one worker process, which answers every request with five bytes. Usage: server.mjs <port>. Prints
// "listening", and stops on SIGTERM.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const port = Number(process.argv[2]);
const folder = mkdtempSync(join(tmpdir(), "fourtuple-bench-nginx-"));
const config = `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error;
worker_rlimit_nofile 10000; events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; tcp_nodelay on;
  client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b; fastcgi_temp_path ${folder}/c;
  uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e;
  server { listen 127.0.0.1:${port} backlog=4096; location / { return 200 hello; } }
}`;
writeFileSync(join(folder, "nginx.conf"), config);
const nginx = spawn("nginx", ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error")], { stdio: "inherit" });
nginx.once("exit", (code) => {
  rmSync(folder, { recursive: true });
  process.exit(code ?? 1);
});
nginx.once("error", () => process.exit(1));
process.once("SIGTERM", () => nginx.kill("SIGTERM"));
while (!(await answers())) await delay(20);
console.log("listening");

/** @returns {Promise<boolean>} */
function answers() {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.resetAndDestroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
