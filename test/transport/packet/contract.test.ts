// Tests the transport in user space against the contract, through TUN devices in a network namespace of its own, with
// the kernel's TCP as its peer.
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe } from "vitest";
import { EINVAL } from "../../../src/linux/syscalls/errno.js";
import { localAddress } from "../../../src/linux/syscalls/socket.js";
import type { ClientTransportOptions, ServerTransportOptions } from "../../../src/transport/contract.js";
import { PacketClient } from "../../../src/transport/packet/client.js";
import type { PacketDevice } from "../../../src/transport/packet/devices/device.js";
import { openDevice } from "../../../src/transport/packet/devices/open-device.js";
import { PacketServer } from "../../../src/transport/packet/server.js";
import { parseIp } from "../../../src/util/address.js";
import { useNetworks } from "../../support/address.js";
import { canMakeNamespaces, enterNamespaceUntil } from "../../support/namespace.js";
import { hasUring } from "../../support/ring.js";
import type { TupleList } from "../../support/transport.js";
import { describeClientBudget, describeServerBudget } from "../contract/budget.js";
import { describeClient } from "../contract/client.js";
import { describeOpening } from "../contract/opening.js";
import { describeServer } from "../contract/server.js";

/** Local addresses, and those that belong to nobody. */
const [OWN, FREE] = ["10.99", "10.64"];

/** A device for one address. */
function deviceFor(ip: string | undefined, usesUring: boolean, wakeFd: number): PacketDevice | number {
  const routes = ip === undefined ? [] : [{ first: parseIp(ip), bits: ip.includes(":") ? 128 : 32 }];
  return openDevice({ routes, mtu: 1500, txQueueLength: 1000 }, usesUring, wakeFd);
}

const openClient = (usesUring: boolean) => (options: ClientTransportOptions) => {
  const { tuples } = options.tuples as TupleList;
  const from = tuples[0]?.from;
  const device = deviceFor(from, usesUring, options.wakeFd);
  if (typeof device === "number") return device;
  const sources = from === undefined ? [] : [{ first: parseIp(from), count: 1 }];
  const destinations = tuples.slice(0, 1).map(({ to }) => ({ ip: parseIp(to.ip), port: to.port }));
  const plan = { sources, firstPort: tuples[0]?.port ?? 1, portCount: Math.max(1, tuples.length), destinations };
  return new PacketClient({ ...options, device, plan });
};

const openServer = (usesUring: boolean) => (options: ServerTransportOptions) => {
  // Bound to an address that is not local, the listening socket only tells what to listen on.
  const { ip, port } = localAddress(options.listener);
  const device = deviceFor(ip, usesUring, options.wakeFd);
  if (typeof device === "number") return device;
  return new PacketServer({ ...options, device, listener: { addresses: { first: parseIp(ip), count: 1 }, port } });
};

const noServer = () => -EINVAL;
const noClient = () => -EINVAL;

describe.skipIf(!canMakeNamespaces()).each([
  ["io_uring", true],
  ["one call per packet", false],
])("packet, with %s", (_, usesUring) => {
  if (usesUring && !hasUring) return;
  let leave: () => void;

  beforeAll(() => {
    leave = enterNamespaceUntil();
    spawnSync("ip", ["addr", "add", `${OWN}.0.1/16`, "dev", "lo"]);
    spawnSync("sysctl", ["-qw", "net.ipv4.ip_nonlocal_bind=1"]);
  });
  afterAll(() => {
    useNetworks(undefined);
    leave();
  });

  const common = { needsDescriptors: false, hasSockets: false };
  describe("with the client's end", () => {
    beforeAll(() => useNetworks({ own: OWN, source: FREE }));
    const transportCase = { ...common, openClient: openClient(usesUring), openServer: noServer };
    describeClient(transportCase);
    // The device makes no difference for the rest.
    if (!usesUring) return;
    describeOpening(transportCase);
    describeClientBudget(transportCase);
  });
  describe.runIf(usesUring)("with the server's end", () => {
    beforeAll(() => useNetworks({ own: FREE, source: OWN }));
    const transportCase = { ...common, openClient: noClient, openServer: openServer(usesUring) };
    describeServer(transportCase);
    describeServerBudget(transportCase);
  });
});
