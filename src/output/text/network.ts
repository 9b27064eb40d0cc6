// Says what --transport packet changes on this host before it does, and what earlier runs have left behind.
import { countOnLink, type NeededSetting, type NetworkPlan } from "../../planning/packet/network.js";
import { blocksOf, formatBlock } from "../../planning/packet/plan.js";
import type { Prediction } from "../../results/prediction.js";
import type { UndoOutcome } from "../../tuning/undo.js";
import { formatIp } from "../../util/address.js";
import { printableData } from "../../util/printable.js";
import { plural } from "../../util/units.js";

const WHY: Record<NeededSetting["why"], string> = {
  forwarding: "forwards packets from there to the source addresses",
  "announced-routes": "keeps the routes that routers announce, which a forwarding host drops",
  answer: "answers for the source addresses",
  "answer-at-once": "answers at once instead of after up to a second",
};

/** Explains how packets get to the other end and back, and what that changes on this host. */
export function networkLines({ way, blocks, links, onLink, changes }: NonNullable<Prediction["network"]>): string[] {
  const at = links.join(", ");
  const words = {
    host: "both ends are on this host: a route to a device of fourtuple's own is all it takes, and disappears with the run",
    routed: `${shortList(blocks)} is in no network of this host: a router, or the server, has to send it to this host, at ${at}`,
    "same-link": `${plural(onLink, "source address", "source addresses")} are in the network of ${at}: this host answers for them, once it has asked there and nobody has them`,
  };
  return [
    words[way],
    ...changes.map(({ name, from, to, why }) => `connect --apply: ${name}  ${from} → ${to}  (${WHY[why]})`),
  ];
}

/** Says that this host is about to ask for addresses, and which. */
export function askingText({ onLink, links }: NetworkPlan): string {
  const ranges = [...new Set(onLink.map(({ range }) => range))];
  const count = countOnLink(onLink);
  const whose =
    count === 1
      ? formatIp(ranges[0]!.first)
      : `one of ${plural(count, "address", "addresses")}: ${shortList(ranges.flatMap(blocksOf).map(formatBlock))}`;
  return `asking on ${printableData(links).join(", ")} whether anybody has ${whose}`;
}

/** Lists changes that are about to be made. */
export function changingText(missing: readonly NeededSetting[]): string {
  return [
    `${plural(missing.length, "change")} to this host until the end of the run:`,
    ...printableData(missing).map(({ name, from, to, why }) => `  ${name}  ${from} → ${to}  (${WHY[why]})`),
  ].join("\n");
}

/** Says what keeps clients on other hosts from reaching a server. */
export function neededText(missing: readonly NeededSetting[]): string {
  const names = printableData(missing.map(({ name, to }) => `${name} = ${to}`));
  return `clients on other hosts cannot reach this server: they need ${names.join(", ")}; --apply sets it until the end`;
}

/** Lists what earlier runs had changed. */
export function leftoversText(outcomes: readonly UndoOutcome[]): string {
  return [
    "an earlier run was killed before it could revert its changes to this host:",
    ...printableData(outcomes).map(outcomeLine),
  ].join("\n");
}

/** Lists what a run has changed and could not revert. */
export function leftText(outcomes: readonly UndoOutcome[]): string {
  return ["not reverted:", ...printableData(outcomes).map(outcomeLine)].join("\n");
}

function outcomeLine({ name, from, value, status, note }: UndoOutcome): string {
  const what = status === "restored" ? `back to ${from}` : `is ${value ?? "unknown"}, was ${from}`;
  return `  ${name}  ${what}${note ? ` (${note})` : ""}`;
}

function shortList(blocks: readonly string[]): string {
  return blocks.length > 4 ? `${blocks.slice(0, 4).join(", ")}, …` : blocks.join(", ");
}
