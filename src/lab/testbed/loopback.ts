// Testbed on this host over loopback, used if network namespaces cannot be created. Each lab uses different addresses,
// so that it collides neither with another lab nor with an earlier one's TIME_WAIT sockets.

import { closeFd } from "../../linux/syscalls/socket.js";
import { openListener } from "../../server/listening/listener.js";
import { AppError } from "../../util/errors.js";
import { Subprocess } from "../../util/subprocess.js";
import { addressesFrom, describeAddresses, PORT, PORTS } from "./addresses.js";
import { DIES_WITH_US, Host, type HostPair } from "./host.js";

/** 127.64.0.0 to 127.191.255.255, which other programs rarely use. */
const FIRST_BLOCK = 64;
const BLOCKS = 128;
/** Number of blocks to try. A port that is in use in all of them is probably in use at every address. */
const TRIES = 3;

/**
 * @param reason why there are no namespaces; undefined if loopback was requested
 * @throws {AppError} E_PORT_IN_USE if the lab's ports are in use on this host
 */
export async function openLoopback(clientAddresses: number, reason: string | undefined): Promise<HostPair> {
  const block = await findBlock(reason);
  const serverIp = `${block}.0.1`;
  const clientIps = addressesFrom(`${block}.1.1`, clientAddresses);
  const common = { device: "lo", isNamespace: false, enter: (await canDieWithUs()) ? DIES_WITH_US : [] };
  const server = new Host({ ...common, name: "server", ips: [serverIp], peerIps: clientIps });
  const client = new Host({ ...common, name: "client", ips: clientIps, peerIps: [serverIp] });
  const close = async () => {
    // Close the client first, so that it closes its connections rather than losing them.
    await client.close();
    await server.close();
  };
  return {
    description: { kind: "loopback", reason, serverIp, clientIps: describeAddresses(clientIps) },
    server,
    client,
    close,
  };
}

/**
 * Returns the first two bytes of addresses at which the lab's ports are free. Another lab may have the first block that
 * is tried, because there are more process numbers than blocks.
 */
async function findBlock(reason: string | undefined): Promise<string> {
  for (let n = 1; ; n++) {
    const block = `127.${FIRST_BLOCK + ((process.pid + n - 1) % BLOCKS)}`;
    try {
      await expectFree(`${block}.0.1`, reason);
      return block;
    } catch (error) {
      if (n === TRIES || !(error instanceof AppError) || error.code !== "E_PORT_IN_USE") throw error;
    }
  }
}

/** Checks that the lab's ports are free. A listener on all addresses also occupies the lab's address. */
async function expectFree(serverIp: string, reason: string | undefined): Promise<void> {
  for (let port = PORT; port < PORT + PORTS; port++) {
    try {
      closeFd((await openListener({ host: serverIp, ports: { first: port, last: port } }, 1)).fd);
    } catch (cause) {
      if (!(cause instanceof AppError) || cause.code !== "E_PORT_IN_USE") throw cause;
      const why = reason === undefined ? "" : ` (${reason})`;
      throw new AppError("E_PORT_IN_USE", `the lab needs port ${port} over loopback, but it is in use${why}`, {
        fix: `stop the program that uses it (ss -ltnp "sport = :${port}"), or let the lab create two hosts: as root, without --loopback`,
        cause,
      });
    }
  }
}

/**
 * Returns whether programs can be made to die with this process. If not, `serve` and `connect` still detect the exit
 * of this process through standard input.
 */
async function canDieWithUs(): Promise<boolean> {
  const { result } = new Subprocess([...DIES_WITH_US, "true"], { detached: true });
  return result.then(
    ({ code }) => code === 0,
    () => false,
  );
}
