// Entry point of the server: checks the options, binds the listening socket and starts the run.

import { CORES } from "../engine/pool.js";
import { stopOnAbort } from "../engine/run/stop-on-abort.js";
import { raiseNofileLimit } from "../linux/syscalls/rlimit.js";
import { closeFd } from "../linux/syscalls/socket.js";
import { type NetworkPlan, refuseChanges } from "../planning/packet/network.js";
import { loadFirst } from "../protocols/scripted/file/load-first.js";
import type { EngineReport } from "../results/engine.js";
import type { ServeResult } from "../results/serve.js";
import { chooseEngine, engineWords } from "../transport/choose-engine.js";
import { prepareIdentity, type ServerIdentity } from "../transport/tls/identity.js";
import { trace } from "../util/debug/trace.js";
import { type Listener, openListener } from "./listening/listener.js";
import { openPacketListener } from "./listening/packet-listener.js";
import { resolveOptions, type ServeOptions, type ServeSettings, UNLIMITED } from "./options.js";
import { ServeRun } from "./run.js";

/** Prepares this host for a server without kernel sockets. */
type Prepare = (network: NetworkPlan) => Promise<void> | void;
type Complete = (result: ServeResult) => ServeResult;

/**
 * Listens on one port and holds all incoming connections.
 *
 * @param complete adds the diagnosis to the result; modules at this level cannot compute it
 * @param prepare changes this host as a server without kernel sockets needs it, if the caller may
 * @returns a server that accepts connections: read `server.address`, call `server.stop()`, or iterate with `for await
 *   (const snapshot of server)`
 * @throws {AppError} E_OPTION, E_ADDRESS, E_RESOLVE, E_PORT_IN_USE, E_PERMISSION, E_PLATFORM or E_LISTEN
 */
export async function serve(
  options: ServeOptions,
  complete?: Complete,
  prepare: Prepare = refuseChanges,
): Promise<ServeRun> {
  const script = options.protocol === undefined ? undefined : await loadFirst(options.protocol);
  const settings = resolveOptions(options, script);
  const identity = settings.tls && prepareIdentity(settings.tls, settings.resumes, settings.at.host);
  const engine = engineFor(settings);
  trace("transport", () => engineWords(engine));
  const { at, backlog, delayedAck } = settings;
  const listener =
    settings.transport === "packet"
      ? await openPacketListener(at, backlog, CORES, prepare, delayedAck)
      : await openListener(at, backlog);
  const run = startRun(settings, listener, engine, identity, complete);
  stopOnAbort(run, options.signal);
  try {
    await run.ready;
  } catch (fault) {
    await run.done.catch(() => undefined);
    throw fault;
  }
  trace("run", () => `listening on ${run.address.ip} port ${run.address.port}, backlog ${settings.backlog}`);
  return run;
}

function engineFor({ engine: requested, maxConnections, transport }: ServeSettings): EngineReport {
  const tableSize = raiseNofileLimit().soft;
  // A TUN device is faster through io_uring in either role.
  if (transport === "packet") {
    return chooseEngine({
      role: "client",
      requested,
      connections: Number.POSITIVE_INFINITY,
      threads: CORES,
      tableSize,
    });
  }
  const connections = maxConnections === UNLIMITED ? Number.POSITIVE_INFINITY : maxConnections;
  return chooseEngine({ role: "server", requested, connections, threads: CORES, tableSize });
}

function startRun(
  settings: ServeSettings,
  listener: Listener,
  engine: EngineReport,
  identity: ServerIdentity | undefined,
  complete: Complete | undefined,
): ServeRun {
  try {
    return new ServeRun(settings, listener, engine, identity, complete);
  } catch (error) {
    closeFd(listener.fd);
    throw error;
  }
}
