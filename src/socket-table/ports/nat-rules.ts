// Finds the ports that NAT may assign, in rules listed by nft or iptables-save.
import type { Family } from "../../util/address.js";
import type { PortRange } from "../../util/endpoint.js";

/** A rule that translates sources to a range of ports. */
export interface NatRule {
  /** Text of the rule: `masquerade to :40000-40099`. */
  readonly text: string;
  /** Address that the rule translates to; undefined for masquerade, which uses the interface's address. */
  readonly ip: string | undefined;
  readonly ports: PortRange;
}

const TIMEOUT_MS = 5000;

/**
 * Returns rules in this network namespace that limit the ports of SNAT or masquerade; empty if they cannot be read.
 *
 * @param families families for which iptables is read; nft lists the rules of both
 */
export async function readNatRules(families: ReadonlySet<Family>): Promise<NatRule[]> {
  // iptables has its own tables, and rules that nft cannot express.
  const [nft, ipv4, ipv6] = await Promise.all([
    list(["nft", "-j", "list", "ruleset"]),
    families.has(4) ? list(["iptables-save", "-t", "nat"]) : "",
    families.has(6) ? list(["ip6tables-save", "-t", "nat"]) : "",
  ]);
  return [...parseNft(nft), ...parseIptables(ipv4), ...parseIptables(ipv6)];
}

/** Parses the output of `nft -j list ruleset`. */
export function parseNft(json: string): NatRule[] {
  let parsed: { nftables?: { rule?: { expr?: readonly Record<string, unknown>[] } }[] };
  try {
    parsed = JSON.parse(json);
  } catch {
    return [];
  }
  return (parsed.nftables ?? []).flatMap(({ rule }) =>
    (rule?.expr ?? []).flatMap((expression) =>
      (["masquerade", "snat"] as const).flatMap((kind) => {
        const ports = portsOf((expression[kind] as { port?: unknown } | null | undefined)?.port);
        if (!ports) return [];
        const { addr } = expression[kind] as { addr?: unknown };
        const ip = typeof addr === "string" ? addr : undefined;
        const address = ip?.includes(":") ? `[${ip}]` : (ip ?? "");
        return [{ text: `${kind} to ${address}:${ports.first}-${ports.last}`, ip, ports }];
      }),
    ),
  );
}

/** Parses the output of `iptables-save -t nat`. */
export function parseIptables(text: string): NatRule[] {
  return text.split("\n").flatMap((line): NatRule[] => {
    const masquerade = /-j MASQUERADE .*--to-ports (\d+)(?:-(\d+))?/.exec(line);
    if (masquerade) {
      const [, first, last = first] = masquerade;
      return [{ text: `MASQUERADE --to-ports ${first}-${last}`, ip: undefined, ports: range(first!, last!) }];
    }
    const snat = /-j SNAT --to-source \[?([\da-fA-F.:]*?)\]?(?:-\S+?)?:(\d+)(?:-(\d+))?(?:\s|$)/.exec(line);
    if (!snat) return [];
    const [, ip, first, last = first] = snat;
    return [{ text: `SNAT --to-source ${ip}:${first}-${last}`, ip, ports: range(first!, last!) }];
  });
}

/** Parses a port, or `{ "range": [40000, 40099] }`. */
function portsOf(port: unknown): PortRange | undefined {
  if (typeof port === "number") return { first: port, last: port };
  const ends = (port as { range?: unknown } | undefined)?.range;
  if (!Array.isArray(ends) || ends.length !== 2 || !ends.every(Number.isInteger)) return undefined;
  return { first: ends[0], last: ends[1] };
}

function range(first: string, last: string): PortRange {
  return { first: Number(first), last: Number(last) };
}

/** Returns the output of a program; empty if it does not exist or fails. */
async function list(command: readonly string[]): Promise<string> {
  // Few hosts translate addresses, and loading this takes some milliseconds.
  const { Subprocess } = await import("../../util/subprocess.js");
  const program = new Subprocess(command);
  const timer = setTimeout(() => program.kill("SIGKILL"), TIMEOUT_MS);
  try {
    const { code, stdout } = await program.result;
    return code === 0 ? stdout : "";
  } catch {
    return "";
  } finally {
    clearTimeout(timer);
  }
}
