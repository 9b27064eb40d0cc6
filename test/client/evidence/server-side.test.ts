// Tests the inspection of a server on this host, which reads the descriptors of all processes: it must not outlive the
// run, nor delay its end for long.
import { closeSync, openSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { ServerSide } from "../../../src/client/evidence/server-side.js";
import { listDescriptors } from "../../../src/linux/proc/procfs.js";
import { raiseNofileLimit } from "../../../src/linux/syscalls/rlimit.js";
import { parseRunSpec } from "../../../src/planning/parse-run-spec.js";
import { findTargets } from "../../../src/planning/targets.js";
import { endpoint, ownAddress, ownPort } from "../../support/address.js";
import { connectRaw, listenRaw } from "../../support/raw-sockets.js";
import { until, within } from "../../support/until.js";

/** Reading this many descriptors takes several turns of the event loop. */
const DESCRIPTORS = 15_000;
const SCANNED = /^\/proc\/\d+\/(task\/\d+\/)?fd$/;

const scanned = () => listDescriptors().filter(({ target }) => SCANNED.test(target));

const canOpen = raiseNofileLimit().soft > DESCRIPTORS + 1000;

it.skipIf(!canOpen)(
  "an inspection ends with the run or after its time, and leaves no descriptor open",
  { timeout: 60_000 },
  async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    listenRaw(ip, port);
    connectRaw(ip, port);
    const fds = Array.from({ length: DESCRIPTORS }, () => openSync("/dev/null", "r"));
    onTestFinished(() => fds.forEach(closeSync));
    const targets = await findTargets(parseRunSpec({ to: endpoint({ ip, port }) }));
    const brief = new ServerSide(targets, 0);
    expect(await brief.inspect()).toMatchObject({ listeners: [{ ip, port }], process: undefined });
    await brief.end();
    expect(scanned()).toEqual([]);
    const side = new ServerSide(targets, 60_000);
    side.begin();
    await side.sampleEarly();
    const inspected = side.inspected();
    await until("the inspection at work", scanned, (open) => open.length > 0);
    await within("its end", side.end());
    expect(scanned()).toEqual([]);
    expect(await inspected).toBeUndefined();
  },
);
