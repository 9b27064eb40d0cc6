// Tests UDP ports in use: a socket of this process is seen while it is bound, but not once it is connected.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import { readUdpPorts } from "../../../src/linux/proc/udp-ports.js";

it.each(["udp4", "udp6"] as const)("a bound %s socket is listed, a connected one is not", async (type) => {
  const socket = createSocket(type);
  onTestFinished(() => void socket.close());
  socket.bind(0, type === "udp4" ? "127.0.0.1" : "::1");
  await once(socket, "listening");
  const { port } = socket.address();
  expect(readUdpPorts()).toContain(port);
  socket.connect(port, type === "udp4" ? "127.0.0.1" : "::1");
  await once(socket, "connect");
  expect(readUdpPorts()).not.toContain(port);
});

it("an invalid table has no ports", () => {
  expect(readUdpPorts("  sl  local_address rem_address   st\n")).toEqual([]);
});
