// Tests real exhaustion of source ports, in a namespace with a small range.

import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Pressure } from "../../../src/results/sockets/pressure.js";
import { pressure } from "../../../src/socket-table/ports/pressure.js";
import type { SocketFilter } from "../../../src/socket-table/summary.js";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";
import { acceptMany, close, connectRaw, listenRaw } from "../../support/raw-sockets.js";
import { until } from "../../support/until.js";

const EADDRNOTAVAIL = 99;
/** 40000-40099, of which ten are reserved and one has a listener. */
const CAPACITY = 89;

/** Changes a setting of the test's own namespace, which disappears with the test. */
function setIpv4(name: string, value: string): void {
  writeFileSync(`/proc/sys/net/ipv4/${name}`, value);
}

function enterSmallRange(): number {
  enterNamespace();
  setIpv4("ip_local_port_range", "40000 40099");
  setIpv4("ip_local_reserved_ports", "40010-40018,40020");
  setIpv4("tcp_tw_reuse", "0");
  listenRaw("127.0.0.1", 40_050);
  return listenRaw("::", 1001);
}

describe.skipIf(!canMakeNamespaces())("pressure", () => {
  it("counts down to the last port of the kernel", async () => {
    enterSmallRange();
    const marks: number[] = [];
    for (let inUse = 1; inUse <= CAPACITY; inUse++) {
      expect(connectRaw("127.0.0.1", 1001)).toBeGreaterThan(0);
      const { rows, marked } = await pressure();
      expect(rows).toMatchObject([{ inUse, left: CAPACITY - inUse, capacity: CAPACITY, pool: "ip_local_port_range" }]);
      if (marked === 1) marks.push(inUse);
    }
    expect(connectRaw("127.0.0.1", 1001)).toBe(-EADDRNOTAVAIL);
    // 71 of 89 is 79.8%, 72 is 80.9%.
    expect([marks[0], marks.length]).toEqual([72, CAPACITY - 71]);
    expect(await pressure()).toMatchObject({
      portRange: { first: 40_000, last: 40_099 },
      reservedPorts: 10,
      listeningPorts: 1,
      kernelCapacity: CAPACITY,
    } satisfies Partial<Pressure>);
  });

  it("does not regain ports from TIME_WAIT, whatever states are requested", async () => {
    const listener = enterSmallRange();
    const clients = Array.from({ length: CAPACITY }, () => connectRaw("127.0.0.1", 1001));
    const servers = acceptMany(listener, CAPACITY);
    for (const fd of clients.slice(0, 30)) close(fd);
    for (const fd of servers) close(fd);
    const filter: SocketFilter = { states: ["ESTABLISHED"] };
    await until(
      "30 in TIME_WAIT",
      () => pressure(filter),
      ({ rows }) => rows[0]?.timeWait === 30,
    );
    expect((await pressure(filter)).rows).toMatchObject([{ inUse: CAPACITY, timeWait: 30, left: 0 }]);
    expect(connectRaw("127.0.0.1", 1001)).toBe(-EADDRNOTAVAIL);
  });

  it("counts the ports of IPv4-mapped sockets as IPv4's", async () => {
    enterSmallRange();
    for (let i = 0; i < CAPACITY; i++) {
      expect(connectRaw(i % 2 === 0 ? "127.0.0.1" : "::ffff:127.0.0.1", 1001)).toBeGreaterThan(0);
    }
    expect(connectRaw("127.0.0.1", 1001)).toBe(-EADDRNOTAVAIL);
    connectRaw("::1", 1001);
    expect((await pressure({ family: 4 })).rows).toMatchObject([
      { destinationIp: "127.0.0.1", inUse: CAPACITY, left: 0 },
    ]);
    expect((await pressure({ family: 6 })).rows).toMatchObject([{ destinationIp: "::1", inUse: 1 }]);
  });

  it("includes a client's port that serves several destinations", async () => {
    enterNamespace();
    for (const port of [1001, 1002]) {
      listenRaw("127.0.0.1", port);
      connectRaw("127.0.0.1", port, { ip: "127.0.0.1", port: 40_000 });
    }
    expect(await pressure()).toMatchObject({ outgoing: 2, distinct: 2 });
    connectRaw("127.0.0.1", 1001);
    expect((await pressure({ port: 1001 })).rows).toMatchObject([{ inUse: 2 }]);
    // Filtering by source port would show one of two ports as all that are taken.
    expect((await pressure({ port: 40_000 })).rows).toEqual([]);
  });
});
