// Provides a separate address for each test. All of 127.0.0.0/8 is local, so tests do not run into each other's
// sockets.
let last = 0;

/** Returns a 127.x.y.z that is used by no other test, nor by any other test process running now. */
export function ownAddress(): string {
  if (networks) return inNetwork(networks.own);
  last = (last % 250) + 1;
  // 127.0.y.z stays unused, because source addresses are taken from it.
  return `127.${64 + (process.pid % 128)}.${Math.floor(process.pid / 128) % 256}.${last}`;
}

/** Returns an address for the client's end. Loopback addresses are as good for one end as for the other. */
export function sourceAddress(): string {
  return networks ? inNetwork(networks.source) : ownAddress();
}

let networks: { readonly own: string; readonly source: string } | undefined;

/**
 * Makes later addresses come from other networks, given by their first two bytes, such as `10.99`; undefined returns
 * to loopback.
 */
export function useNetworks(used: typeof networks): void {
  networks = used;
}

function inNetwork(network: string): string {
  last = (last % 60_000) + 1;
  return `${network}.${last >>> 8}.${last & 255}`;
}

/** Formats a server's address as `host:port`. */
export function endpoint({ ip, port }: { readonly ip: string; readonly port: number }): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

// Each test file of a run gets its own block of addresses, and the next run a different one, so that no file counts
// sockets in TIME_WAIT of an earlier one.
const block = (process.ppid * 97 + Number(process.env.VITEST_WORKER_ID)) % 180;
let lastPort = 0;

/**
 * Returns a port below the ephemeral range, for tests that count sockets by port. A port chosen by the kernel could
 * also be the source port of an unrelated client.
 */
export function ownPort(): number {
  lastPort = (lastPort + 1) % 60;
  return 20_000 + block * 60 + lastPort;
}

/** Returns this many consecutive ports. */
export function ownPorts(count: number): { readonly first: number; readonly last: number } {
  // Take all ports from the same round, so that they are consecutive.
  if (lastPort + count >= 60) lastPort = 0;
  const first = ownPort();
  for (let n = 1; n < count; n++) ownPort();
  return { first, last: first + count - 1 };
}
