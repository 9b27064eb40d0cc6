// Runs `fourtuple agent` until a signal stops it.

import { startAgent } from "../../fleet/start-agent.js";
import { print } from "../../output/terminal/output.js";
import { changingText, leftoversText, leftText, neededText } from "../../output/text/network.js";
import type { ConnectResult } from "../../results/connect.js";
import type { ServeResult } from "../../results/serve.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { printable } from "../../util/printable.js";
import { formatCount, plural } from "../../util/units.js";
import { onParentGone } from "../parent.js";
import { EXIT_CODES, onStopSignals } from "../signals.js";

/** Options as parsed from the command line. */
export interface AgentCommandOptions {
  readonly nats: string;
  readonly name?: string;
  readonly allow?: readonly string[];
  readonly allowCode?: boolean;
  readonly packetIp?: string;
  readonly apply?: boolean;
  readonly creds?: string;
  readonly natsCa?: string;
}

/** @returns the exit code: 0 after a signal */
export async function runAgent(options: AgentCommandOptions): Promise<number> {
  const { nats, name, allow, allowCode, packetIp, apply, creds, natsCa } = options;
  const agent = await startAgent({
    ...{ servers: nats, name, allow, allowCode, apply, creds },
    ca: natsCa,
    packetAddresses: packetIp,
  });
  const { id, name: ownName } = agent.identity;
  agent.on("started", (run, connections) => print(`run ${run}: opens ${plural(connections, "connection")}`));
  agent.on("code", (run, text) => print(`run ${run}: runs code of its coordinator: ${printable(text)}`));
  agent.on("listening", (run, { ip, lastIp, port }) =>
    print(`run ${run}: listens on ${formatEndpoint(lastIp === undefined ? ip : `${ip}-${lastIp}`, port)}`),
  );
  agent.on("changing", (run, settings) => print(`run ${run}: ${changingText(settings)}`));
  agent.on("needed", (run, settings) => print(`run ${run}: ${neededText(settings)}`));
  agent.on("left", (run, outcomes) => print(`run ${run}: ${leftText(outcomes)}`));
  agent.on("leftovers", (outcomes) => print(leftoversText(outcomes)));
  agent.on("ended", (run, result, reason) => {
    const reached = result ? reachedText(result) : "nothing was opened";
    print(`run ${run}: ended, ${reached}${reason === undefined ? "" : `: ${printable(reason)}`}`);
  });
  agent.on("refused", (reason) => print(`refused: ${printable(reason)}`));
  agent.on("undelivered", (run, reason) => print(`run ${run}: its result is lost: ${printable(reason)}`));
  const stopped = new Promise<void>((resolve) => {
    onStopSignals(
      () => resolve(),
      (signal) => process.exit(EXIT_CODES[signal]),
    );
    onParentGone(resolve);
  });
  print(`agent ${ownName} (${id}) waits for runs; it may connect to ${agent.allows}`);
  await stopped;
  await agent.stop();
  return 0;
}

function reachedText(result: ConnectResult | ServeResult): string {
  return result.kind === "connect"
    ? `${formatCount(result.established)} established`
    : `${formatCount(result.accepted)} accepted`;
}
