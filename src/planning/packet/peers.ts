// Refuses source addresses with which this host has connections: they belong to somebody, and packets for them would go
// to fourtuple's own device.
import { TCP_ESTABLISHED } from "../../linux/syscalls/constants.js";
import { interfaceIndex } from "../../linux/syscalls/interface-names.js";
import type { SocketQuery } from "../../socket-table/query.js";
import { toTest } from "../../socket-table/socket-test.js";
import { readTable } from "../../socket-table/table.js";
import type { AddressRange } from "../../util/address-range.js";
import { AppError } from "../../util/errors.js";

/**
 * @param leftovers selects connections that may be left over from an earlier run that was killed, with the same
 *   addresses; these are permitted
 * @throws {AppError} E_SOURCE if the other end of an ESTABLISHED connection has one of the addresses
 */
export async function assertNoPeers(
  sources: readonly AddressRange[],
  leftovers: Pick<SocketQuery, "local" | "remote">,
): Promise<void> {
  const isLeftover = toTest(leftovers, interfaceIndex);
  let peer: string | undefined;
  const visit: Parameters<typeof readTable>[1] = () => (socket) => {
    if (isLeftover(socket)) return true;
    peer = socket.remoteIp;
    return false;
  };
  const query = { states: 1 << TCP_ESTABLISHED, remote: { addresses: sources }, tuplesOnly: true };
  // Where the table cannot be read, there is nothing to check.
  await readTable(query, visit, 1).catch(() => undefined);
  if (peer === undefined) return;
  throw new AppError("E_SOURCE", `${peer} is not free: this host has an established connection with it`, {
    fix: "use addresses that no host and no network has",
  });
}
