// Tests the search for hosts that have an address on a link.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { interfaceIndex } from "../../src/linux/syscalls/interface-names.js";
import { assertSpare } from "../../src/planning/packet/link-addresses.js";
import { parseAddressRanges } from "../../src/util/address-range.js";
import { canMakeNamespaces, enterNamespace, makeNamespace } from "../support/namespace.js";

const NEIGHBOURS = 60_000;
const TAKEN = ["10.98.0.11", "10.98.0.12", "10.98.0.13", "10.98.0.14"];

function ip(...lines: string[]): void {
  const { status, stderr } = spawnSync("ip", ["-batch", "-"], { encoding: "utf8", input: lines.join("\n") });
  expect([status, stderr]).toEqual([0, ""]);
}

describe.skipIf(!canMakeNamespaces())("addresses on a link", () => {
  it("are not spare if another host answers, however many neighbours there are", async () => {
    enterNamespace();
    const far = makeNamespace();
    ip(`link add near type veth peer name far netns ${far}`, "addr add 10.98.0.1/24 dev near", "link set near up");
    const addresses = TAKEN.map((address) => `addr add ${address}/24 dev far`);
    spawnSync("ip", ["-n", far, "-batch", "-"], { input: [...addresses, "link set far up"].join("\n") });
    // Permanent entries do not count towards the host's limit.
    const others = Array.from({ length: NEIGHBOURS }, (_, n) => `10.97.${n >> 8}.${n & 0xff}`);
    ip(...others.map((address) => `neigh add ${address} lladdr 02:00:00:00:00:01 dev near nud permanent`));
    const [range] = parseAddressRanges(`${TAKEN[0]}-${TAKEN.at(-1)}`);
    await expect(assertSpare([{ range: range!, index: interfaceIndex("near") }])).rejects.toThrow(
      `${TAKEN[0]} on near is taken: another host answers for it; the same goes for ${TAKEN.slice(1).join(", ")}`,
    );
  });
});
