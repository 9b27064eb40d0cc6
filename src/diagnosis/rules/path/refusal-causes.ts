// Causes of refused handshakes: nothing listens, or something on the path refuses.
import type { Finding, Suspect } from "../../../results/diagnosis.js";

export function nobody(
  meaning: string,
  evidence: readonly string[],
  fix = "start the server, or check the port: ss -ltn",
): Finding {
  return {
    limit: "listener",
    whose: "peer",
    meaning,
    fix,
    evidence,
  };
}

export function firewall(evidence: readonly string[], fix = "look for reject rules (nft list ruleset)"): Finding {
  return {
    limit: "path",
    whose: "network",
    meaning: "the server listens, but something refuses connections on its behalf, such as a firewall reject rule",
    fix,
    evidence,
  };
}

export function firewallOrLate(facts: readonly string[]): Suspect[] {
  const late = nobody("nothing was listening for part of the run: the server started late, or restarted", facts);
  return [
    { ...firewall(facts), test: "a second run is refused again; nft list ruleset shows a reject rule" },
    { ...late, test: "a second run is not refused, and the server's log shows that it started" },
  ];
}
