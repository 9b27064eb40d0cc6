// Scenarios in which the server limits itself, does not accept, or does not exist.
import { onTestFinished } from "vitest";
import { ownAddress, ownPort } from "../support/address.js";
import { startCli } from "../support/process.js";
import type { Scenario } from "./scenario.js";
import { startNginx, startRedis } from "./servers.js";

export const PEERS: readonly Scenario[] = [
  {
    name: "fourtuple serve --max-connections",
    limit: "peer-maximum",
    whose: "peer",
    isPredictable: true,
    async arrange(engine) {
      return { at: await serve("--max-connections", "700", "--engine", engine), load: ["-c", "1500"] };
    },
  },
  {
    name: "redis maxclients",
    programs: ["redis-server"],
    limit: "peer-maximum",
    whose: "peer",
    isPredictable: false,
    async arrange() {
      return { at: await startRedis(500), load: ["-c", "1200"] };
    },
  },
  {
    name: "nginx worker_connections",
    programs: ["nginx"],
    limit: "peer-maximum",
    whose: "peer",
    isPredictable: false,
    async arrange() {
      return { at: await startNginx(512), load: ["-c", "1200"] };
    },
  },
  {
    name: "a stopped server whose accept queue fills",
    limit: "accept-queue",
    whose: "peer",
    isPredictable: true,
    async arrange(engine) {
      const options = ["--log", "none", "--mode", "discard", "--backlog", "300", "--engine", engine];
      const server = startCli(["serve", `${ownAddress()}:0`, ...options]);
      const [, at] = await server.prints(/^listening on (.*)$/m);
      server.child.kill("SIGSTOP");
      onTestFinished(() => {
        server.child.kill("SIGCONT");
      });
      return { at: at!, load: ["-c", "900"], run: ["--connect-timeout", "1500ms"] };
    },
  },
  {
    name: "a refused port",
    limit: "listener",
    whose: "peer",
    isPredictable: true,
    async arrange() {
      return { at: `${ownAddress()}:${ownPort()}`, load: ["-c", "100"] };
    },
  },
];

async function serve(...options: string[]): Promise<string> {
  const server = startCli(["serve", `${ownAddress()}:0`, "--log", "none", ...options]);
  const [, at] = await server.prints(/^listening on (.*)$/m);
  return at!;
}
