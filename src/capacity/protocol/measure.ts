// Measures the cost of a protocol's connections over loopback: memory and CPU time on each side, TLS handshakes and
// heartbeats.
import { readMemoryUse } from "../../engine/memory-use.js";
import { readCgroupMemory } from "../../linux/proc/cgroup.js";
import { SCHEMES } from "../../protocols/spec/address.js";
import type { ProtocolCost } from "../../results/prediction.js";
import { USER_BYTES } from "./built-in.js";
import { measureHeartbeats } from "./heartbeats.js";
import { sizeOf } from "./loads.js";
import type { ServerProcess } from "./server-process.js";
import { eachSide, readSides, type Sides, type Trial, withConnections, withServer } from "./trial.js";

export interface Measured {
  /** Memory per connection; 0 if it is masked by the memory use of other programs. */
  readonly kernelBytesPerEnd: number;
  /** Without a memory cgroup, the value is also 0. */
  readonly chargedBytesPerEnd: number;
  readonly protocol: ProtocolCost;
}

/**
 * Opens a few thousand connections and closes them again.
 *
 * @throws {AppError} E_SYSTEM if the connections could not be opened and held; also the codes of connect() and
 *   serve()
 */
export async function measureProtocol(trial: Trial): Promise<Measured> {
  const { scheme } = trial;
  const { isSecure } = SCHEMES[scheme];
  const { opening, heartbeats } = await withServer(trial, [], async (server) => ({
    opening: await measureOpening(trial, server),
    heartbeats: await measureHeartbeats(trial, server),
  }));
  const { kernelBytesPerEnd, chargedBytesPerEnd, userBytes, cpuSecondsPerConnection } = opening;
  const full = perSecond(cpuSecondsPerConnection);
  const resumed = isSecure && (await withServer(trial, ["--tls-resume"], (server) => measureResumed(trial, server)));
  return {
    kernelBytesPerEnd,
    chargedBytesPerEnd,
    protocol: {
      scheme,
      // Without TLS, so few connections use less memory than compiling the code does, so their memory cannot be
      // measured.
      userBytes: isSecure ? userBytes : USER_BYTES[scheme],
      cpuSecondsPerConnection,
      ...(isSecure && { handshakesPerSec: { full, ...(resumed && { resumed: perSecond(resumed) }) } }),
      heartbeats,
    },
  };
}

async function measureOpening(trial: Trial, server: ServerProcess) {
  const { first, measured } = sizeOf(trial.scheme);
  const readKernel = () => ({ bytes: readMemoryUse().kernelBytes, chargedBytes: readCgroupMemory()?.kernelBytes });
  const kernel = readKernel();
  await withConnections(trial, server, { connections: first }, () => undefined);
  const before = readSides(server);
  const after = await withConnections(trial, server, { connections: measured }, () => ({
    kernel: readKernel(),
    ...readSides(server),
  }));
  const perEnd = (from = 0, to = 0) => Math.max(0, Math.round((to - from) / measured / 2));
  // Memory that the warm-up has freed is reused by as many connections as it had, so leave those out.
  const userBytes = (from: number, to: number) => Math.max(0, Math.round((to - from) / (measured - first)));
  return {
    kernelBytesPerEnd: perEnd(kernel.bytes, after.kernel.bytes),
    chargedBytesPerEnd: perEnd(kernel.chargedBytes, after.kernel.chargedBytes),
    userBytes: eachSide(before.userBytes, after.userBytes, userBytes),
    cpuSecondsPerConnection: eachSide(before.cpuSeconds, after.cpuSeconds, (from, to) => (to - from) / measured),
  };
}

/** Returns the CPU time for opening a connection that resumes a TLS session. */
async function measureResumed(trial: Trial, server: ServerProcess): Promise<Sides | undefined> {
  const { first, resumed } = sizeOf(trial.scheme);
  await withConnections(trial, server, { connections: first, tlsResume: true }, () => undefined);
  const before = readSides(server).cpuSeconds;
  const options = { connections: resumed, tlsResume: true };
  return withConnections(trial, server, options, (run) => {
    // Handshakes that begin before the first ticket arrives are full handshakes.
    if (run.snapshot().resumed < resumed / 2) return undefined;
    return eachSide(before, readSides(server).cpuSeconds, (from, to) => (to - from) / resumed);
  });
}

function perSecond({ client, server }: Sides): Sides {
  return { client: 1 / client, server: 1 / server };
}
