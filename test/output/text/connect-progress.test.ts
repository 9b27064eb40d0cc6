// Tests a client's progress as text.
import { expect, it } from "vitest";
import type { ConnectSnapshot } from "../../../src/client/snapshot.js";
import { connectLine, connectPanel } from "../../../src/output/text/connect-progress.js";

const snapshot = (some: Partial<ConnectSnapshot>): ConnectSnapshot =>
  ({
    ...{ stage: "ramp", elapsedMs: 2000, requested: 20_000, wanted: 20_000, established: 0, open: 0, inFlight: 0 },
    ...{ failed: 0, lost: 0, sentMessages: 0, answeredMessages: 0, leftMs: undefined },
    ...some,
  }) as ConnectSnapshot;

it("counts open connections", () => {
  const progress = { snapshot: snapshot({ established: 5000, open: 5000 }), ratePerSec: 2500, isShortLived: false };
  expect(connectLine(progress)).toContain("open 5,000 of 20,000   rate 2,500/s");
  expect(connectPanel(progress)).toMatch(/^█{7}░{23} {2}5,000 of 20,000 open$/m);
});

it("counts short-lived connections as they are opened, because few are open at once", () => {
  const progress = { snapshot: snapshot({ established: 10_000, open: 137 }), ratePerSec: 5000, isShortLived: true };
  expect(connectLine(progress)).toContain("opened 10,000 of 20,000   rate 5,000/s");
  expect(connectPanel(progress)).toMatch(/^█{15}░{15} {2}10,000 of 20,000 opened$/m);
});

it("says what a pool sends, and how often its connections were opened again", () => {
  const sent = { sentMessages: 2000, answeredMessages: 1990, reopenedAnnounced: 30, reopenedIdle: 4 };
  const progress = { snapshot: snapshot(sent), ratePerSec: 0, isShortLived: false, messageNoun: "requests" as const };
  expect(connectLine(progress)).toContain("reopened 34   requests 2,000 sent, 1,990 answered");
  expect(connectPanel(progress)).toContain("reopened 34   requests 2,000 sent, 1,990 answered");
});
