// Tests that a port is free as soon as its listening socket is closed, although an io_uring still accepts from it.
import { expect, it } from "vitest";
import { EINVAL } from "../../../src/linux/syscalls/errno.js";
import { closeListener, localAddress } from "../../../src/linux/syscalls/socket.js";
import { pushAccept } from "../../../src/linux/uring/entries.js";
import { ownAddress } from "../../support/address.js";
import { listeningAt } from "../../support/kernel.js";
import { listenRaw } from "../../support/raw-sockets.js";
import { completionsOf, hasUring, openRing } from "../../support/ring.js";

it.skipIf(!hasUring)("a listening socket that a ring accepts from releases its port when closed", async () => {
  const ring = openRing();
  const listener = listenRaw(ownAddress(), 0);
  const address = localAddress(listener);
  pushAccept(ring, listener, false, 1, 2);
  ring.enter(0, 0);
  expect([ring.ready, listeningAt(address)]).toEqual([0, 1]);
  expect(closeListener(listener)).toBe(0);
  expect(listeningAt(address)).toBe(0);
  expect(await completionsOf(ring, 1)).toMatchObject([{ slot: 1, result: -EINVAL }]);
});
