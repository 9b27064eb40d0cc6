// Counts by owner in a namespace of its own, in which this process owns every socket.
import { describe, expect, it } from "vitest";
import { NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { sendBytes } from "../../src/linux/syscalls/socket.js";
import { plain } from "../../src/output/terminal/paint.js";
import { ownerLines } from "../../src/output/text/ports/tables.js";
import { countByOwner } from "../../src/socket-table/listeners/owner-counts.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { acceptMany, close, connectRaw, listenRaw } from "../support/raw-sockets.js";

const TEXT = NativeBuffer.from(Buffer.from("unread"));

describe.skipIf(!canMakeNamespaces())("sockets by owner", () => {
  it("include TIME_WAIT of its ports and destinations, and bytes in queues", async () => {
    enterNamespace();
    const listener = listenRaw("127.0.0.1", 7777);
    const clients = Array.from({ length: 5 }, () => connectRaw("127.0.0.1", 7777));
    const accepted = acceptMany(listener, 5);
    // Whoever closes first waits: two clients and one accepted socket.
    for (const fd of [clients[0]!, accepted[0]!, clients[1]!, accepted[1]!, accepted[2]!, clients[2]!]) close(fd);
    expect(sendBytes(clients[3]!, TEXT, 0, 6)).toBe(6);
    const summary = await countByOwner();
    expect(summary.owners).toMatchObject([
      { pid: process.pid, sockets: 5, listening: 1, established: 4, timeWait: 3, queuedBytes: 6 },
    ]);
    expect(summary.kernelOwned).toBe(3);
  });

  it("leave TIME_WAIT of a destination without other connections to the kernel", async () => {
    enterNamespace();
    const listener = listenRaw("127.0.0.1", 7777);
    const client = connectRaw("127.0.0.1", 7777);
    for (const fd of [client, ...acceptMany(listener, 1)]) close(fd);
    const { owners, kernelOwned } = await countByOwner();
    expect([owners[0]?.timeWait, kernelOwned]).toEqual([0, 1]);
  });
});

it("are summed up by container and unit", () => {
  const counts = { sockets: 3, listening: 1, established: 2, timeWait: 4, queuedBytes: 2048 };
  const groups = [{ group: "nginx.service", processes: 2, notVisible: 0, ...counts }];
  const owners = [{ pid: 4711, command: "nginx", group: "nginx.service", ...counts }];
  const rest = { source: "sock_diag", notVisible: 0, kernelOwned: 0, unreadable: 0, isHiding: false } as const;
  const text = ownerLines({ ...rest, owners, groups, ringHolders: [] }, 10, plain).join("\n");
  expect(text).toMatch(/process +sockets +LISTEN +ESTABLISHED +TIME_WAIT +queued\n +nginx \(4711\) +3 +1 +2 +4 +2/);
  expect(text).toMatch(/container or unit +processes +sockets[\s\S]* nginx\.service +2 +3 +1 +2 +4 +2/);
});
