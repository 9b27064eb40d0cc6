// Tests the memory for pending ciphertext, and that all SSL objects are freed, however a transport ends.
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { clientContext, freeContext } from "../../../src/linux/openssl/context.js";
import { TlsSessions } from "../../../src/linux/openssl/session.js";
import type { TlsSettings } from "../../../src/linux/openssl/settings.js";
import { NativeBuffer } from "../../../src/linux/syscalls/libc.js";
import type { ClientTransport, ClientTransportOptions } from "../../../src/transport/contract.js";
import { SLOT } from "../../../src/transport/slot-state.js";
import { TlsClient } from "../../../src/transport/tls/client.js";
import { MOST_WAITING, TlsSlots } from "../../../src/transport/tls/slots.js";

const bytes = new NativeBuffer(64 * 1024);

it("knows how much data is pending on all connections together", () => {
  const slot = fc.nat(3);
  const step = fc.oneof(
    fc.record({
      kind: fc.constantFrom("keep" as const, "unsent" as const),
      slot,
      length: fc.integer({ min: 1, max: 99 }),
    }),
    fc.record({ kind: fc.constantFrom("take" as const, "sent" as const, "end" as const), slot }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const slots = new TlsSlots();
      const [kept, unsent] = [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
      ];
      for (let n = 0; n < 4; n++) slots.begin(n, 0);
      for (const each of steps) {
        if (each.kind === "keep") kept[each.slot] = slots.keep(each.slot, bytes, 0, each.length);
        else if (each.kind === "unsent") unsent[each.slot] = slots.keepUnsent(each.slot, bytes, 0, each.length);
        if (each.kind === "take" || each.kind === "end") kept[each.slot] = 0;
        if (each.kind === "sent" || each.kind === "end") unsent[each.slot] = 0;
        if (each.kind === "take") slots.takeKept(each.slot);
        else if (each.kind === "sent") slots.sentAll(each.slot);
        else if (each.kind === "end") {
          slots.end(each.slot);
          slots.begin(each.slot, 0);
        }
        expect(slots.waitingBytes).toBe([...kept, ...unsent].reduce((sum, length) => sum + length, 0));
      }
    }),
  );
});

it("is full beyond a limit for all connections together", () => {
  const slots = new TlsSlots();
  const count = MOST_WAITING / bytes.bytes.length;
  for (let slot = 0; slot < count; slot++) {
    slots.begin(slot, 0);
    slots.keepUnsent(slot, bytes, 0, bytes.bytes.length);
  }
  expect(slots.isFull).toBe(false);
  slots.keepUnsent(0, bytes, 0, 1);
  expect(slots.isFull).toBe(true);
  slots.end(1);
  expect(slots.isFull).toBe(false);
});

it.each(["dispose", "closeAll"] as const)("frees the SSL objects of a run that ends by %s after an abort", (how) => {
  const settings: TlsSettings = {
    ...{ ca: undefined, cert: undefined, key: undefined, ciphers: undefined, alpn: [], ticketKeys: undefined },
    ...{ identity: undefined, insecure: true, version: undefined },
  };
  const freed = vi.spyOn(TlsSessions.prototype, "free");
  const nothing = () => undefined;
  const handler = { awake: nothing, failed: nothing } as unknown as ClientTransportOptions["handler"];
  const budget = { readBytes: 1024 } as ClientTransportOptions["budget"];
  const client = new TlsClient({ handler, budget } as ClientTransportOptions, {
    context: clientContext(settings),
    freeContext,
    events: { established: nothing, secured: nothing },
    peers: [{ host: "localhost", isIp: false }],
    peerOf: () => 0,
    resumes: false,
  });
  const below = {
    end: 3,
    state: () => SLOT.opened,
    send: (_slot: number, _bytes: NativeBuffer, _offset: number, length: number) => length,
    closeAll: nothing,
    dispose: nothing,
  };
  client.begin(below as unknown as ClientTransport);
  client.awake(performance.now());
  // Handshakes that do not fit into the turn's time are put off, and have no SSL object yet.
  vi.spyOn(performance, "now").mockReturnValue(0);
  for (let slot = 0; slot < 3; slot++) client.opened(slot);
  if (how === "dispose") client.dispose();
  else client.closeAll(true, () => true);
  expect(freed).toHaveBeenCalledTimes(3);
  vi.restoreAllMocks();
});
