// Where `demo --fleet` runs: a server, NATS and a coordinator in one network namespace, and agents in others.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host } from "../../lab/testbed/host.js";
import { openStar } from "../../lab/testbed/star.js";
import { AppError } from "../../util/errors.js";
import { type DemoPlace, placeIn } from "./place.js";

const AGENTS = 3;
const NATS_PORT = 4222;
/** Longer than the default, because all machines of this fleet share one machine's CPU. */
const LEASE = "10s";
/** Runs nats-server. Debian installs it into a folder that is not in every user's PATH. Its log is on standard error. */
const NATS = ["sh", "-c", 'PATH="$PATH:/usr/local/sbin:/usr/sbin" && exec nats-server "$@" 2>&1', "sh"];

/**
 * @throws {AppError} E_PLATFORM if nats-server is not installed; E_PERMISSION or E_SYSTEM if this host does not allow
 *   namespaces
 */
export async function openFleet(): Promise<DemoPlace> {
  const star = await openStar(AGENTS);
  const folder = await mkdtemp(join(tmpdir(), "fourtuple-nats-"));
  const close = async () => {
    await star.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { server, clients, serverIp } = star;
    await startNats(server, serverIp, folder);
    const url = `nats://${serverIp}:${NATS_PORT}`;
    const agents = clients.map((host, n) => host.run(["agent", "--nats", url, "--name", `agent-${n + 1}`]));
    await Promise.all(agents.map((agent) => agent.prints(/waits for runs/)));
    return {
      ...placeIn({ serverIp, server, client: server, close }),
      title: `NATS and ${AGENTS} agents: connected, each agent in a network namespace of its own`,
      clientOptions: () => ["--authorized", "--fleet", url, "--agents", `${AGENTS}`, "--lease", LEASE],
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startNats(host: Host, ip: string, folder: string): Promise<void> {
  const args = ["--addr", ip, "--port", `${NATS_PORT}`, "--jetstream", "--store_dir", folder];
  const nats = host.start("nats-server", [...NATS, ...args]);
  await nats.prints(/Server is ready/).catch(async (cause: unknown) => {
    if ((await nats.result).code !== 127) throw cause;
    throw new AppError("E_PLATFORM", "nats-server is not installed", {
      fix: "install it: apt install nats-server, or https://docs.nats.io/running-a-nats-service/introduction/installation",
      cause,
    });
  });
}
