// An address of its own for each test: all of 127.0.0.0/8 is local, so nobody meets anybody else's sockets.
let last = 0;

/** A 127.x.y.z that no other test, and no other test process of this moment, uses. */
export function ownAddress(): string {
  last = (last % 250) + 1;
  // 127.0.y.z stays free: it is where source addresses are taken from.
  return `127.${64 + (process.pid % 128)}.${Math.floor(process.pid / 128) % 256}.${last}`;
}

/** `host:port` of a server's address. */
export function endpoint({ ip, port }: { readonly ip: string; readonly port: number }): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

// A block for each test file of a run, another for the next run: no file counts what an earlier one left in TIME_WAIT.
const block = (process.ppid * 97 + Number(process.env.VITEST_WORKER_ID)) % 180;
let lastPort = 0;

/**
 * A port of its own below the ephemeral range, for tests that count sockets by port: a port that the kernel chooses
 * may be the source port of somebody's client too.
 */
export function ownPort(): number {
  lastPort = (lastPort + 1) % 60;
  return 20_000 + block * 60 + lastPort;
}

/** So many of them, one after the other. */
export function ownPorts(count: number): { readonly first: number; readonly last: number } {
  // All of one round, so that they are neighbours.
  if (lastPort + count >= 60) lastPort = 0;
  const first = ownPort();
  for (let n = 1; n < count; n++) ownPort();
  return { first, last: first + count - 1 };
}
