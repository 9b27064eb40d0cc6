// Explains why a text is not an address of the form host:port, and says what was probably meant.
import { isIp, isIpv6 } from "../address.js";
import { AppError } from "../errors.js";
import { quoted, shortened } from "../printable.js";

/** The whole address that an endpoint is part of, such as a URL. */
export interface Whole {
  readonly text: string;
  /** The endpoint in it. */
  readonly endpoint: string;
  /** Returns the whole address with another endpoint in it. */
  readonly write: (endpoint: string) => string;
}

/** What is wrong, as a clause about the text, and the endpoints that may have been meant. */
type Advice = readonly [problem: string, ...meant: string[]];

const PORT = 7777;
/** A problem whose solution is all of the endpoints, not one of them. */
const LIST = "lists ports";

/** Returns the error for a text that is not an endpoint. */
export function endpointError(whole: Whole): AppError {
  const [problem, ...meant] = adviceOn(whole.endpoint) ?? ["is not an address of the form host:port"];
  const written = meant.map((endpoint) => shortened(whole.write(endpoint)));
  return new AppError("E_ADDRESS", `${quoted(whole.text)} ${problem}`, {
    fix: `write it as ${written.length > 0 ? written.join(problem === LIST ? " " : " or ") : "127.0.0.1:7777, [::1]:7777, example.org:7777 or :7777"}`,
  });
}

/**
 * Returns the error for a host that can be neither a name nor an address.
 * @returns undefined if it may be a host
 */
export function hostError(host: string, ports: string, whole: Whole): AppError | undefined {
  const advice = adviceOnHost(host);
  if (!advice) return undefined;
  const [problem, ...meant] = advice;
  const written = meant.map((each) => shortened(whole.write(`${each}:${ports}`)));
  return new AppError("E_ADDRESS", `${quoted(whole.text)} ${problem}`, {
    fix:
      written.length > 0
        ? `write it as ${written.join(" or ")}`
        : `name a host or an IP address: ${shortened(whole.write(`example.org:${ports}`))}, ${shortened(whole.write(`127.0.0.1:${ports}`))}`,
  });
}

function adviceOn(text: string): Advice | undefined {
  const tight = text.replace(/[\s\p{Cf}]/gu, "");
  if (tight === "") return ["names neither a host nor a port"];
  if (tight !== text) return ["contains spaces", ...withoutSpaces(text, tight)];
  return adviceOnBrackets(text) ?? adviceOnIpv6(text) ?? adviceOnPort(text);
}

/** @param tight the text without spaces */
function withoutSpaces(text: string, tight: string): readonly string[] {
  const [, host, port] = /^\s*([^\s:]+)\s+(\d+)\s*$/.exec(text) ?? [];
  if (host !== undefined) return [`${host}:${port}`];
  // These may be two addresses, or a host name with a typing error.
  if (/[^\s:]\s+[^\s:]/.test(text)) return [];
  return adviceOn(tight)?.slice(1) ?? [tight];
}

function adviceOnBrackets(text: string): Advice | undefined {
  if (!/[[\]]/.test(text)) return undefined;
  const [, inner, port = ""] = /^\[([^[\]]+)\]:?(\d+(?:-\d+)?)?$/.exec(text) ?? [];
  if (inner !== undefined && !isIpv6(inner)) {
    if (inner.includes(":")) return ["has no valid IPv6 address in its brackets"];
    return ["has brackets, which only IPv6 addresses take", `${inner}:${port || PORT}`];
  }
  if (inner !== undefined) {
    return port === ""
      ? ["has no port", `[${inner}]:${PORT}`]
      : ["has no colon between its address and its port", `[${inner}]:${port}`];
  }
  const [, meant] = adviceOnIpv6(text.replace(/[[\]]/g, "")) ?? [];
  return meant === undefined ? undefined : ["lacks a bracket", meant];
}

function adviceOnIpv6(text: string): Advice | undefined {
  const [, head = "", tail] = /^(.*):(\d+(?:-\d+)?)$/.exec(text) ?? [];
  const withPort = isIpv6(head) ? [`[${head}]:${tail}`] : [];
  const withoutPort = isIpv6(text) ? [`[${text}]:${PORT}`] : [];
  const meant = [...withPort, ...withoutPort];
  return meant.length > 0 ? ["is an IPv6 address without brackets", ...meant] : undefined;
}

function adviceOnPort(text: string): Advice | undefined {
  const [, before, mark = "", after] = /^([^:;,]+)([;,])(\d+)$/.exec(text) ?? [];
  if (before !== undefined) return [`has a ${mark} where a colon belongs`, `${before}:${after}`];
  const [, host = "", port = "", more] = /^([^:]*):([^:]+)(?::(.*))?$/.exec(text) ?? [];
  if (more !== undefined && /^[\d:-]*$/.test(more) && /^\d+$/.test(port)) {
    return ["names more than one port", `${host}:${port}`];
  }
  if (more !== undefined || port === "") return undefined;
  if (/^\d+(,\d+)+$/.test(port)) {
    return [LIST, ...port.split(",").map((each) => `${host}:${each}`)];
  }
  if (/^[a-z][\w-]*$/i.test(port)) return [`has ${quoted(port)} where its port should be, a number`, `${host}:${PORT}`];
  return undefined;
}

function adviceOnHost(host: string): Advice | undefined {
  if (host === "*") return ["has no host: * is not an address", "0.0.0.0", "[::]"];
  const odd = /[^\p{L}\p{N}._%-]/u.exec(host)?.[0];
  if (odd !== undefined) return [`is not an address: a host name has no ${quoted(odd)}`];
  if (/^\.|\.\.|^$/.test(host)) {
    const meant = host.replace(/\.{2,}/g, ".").replace(/^\./, "");
    return ["has an empty part in its host name", ...(meant === "" ? [] : [meant])];
  }
  const numbers = host.replace(/\.$/, "");
  const isNumeric = /^\d+(\.\d+){3,}$/.test(numbers);
  if (isNumeric && isIp(numbers) && numbers !== host) return ["has a dot behind its IPv4 address", numbers];
  if (isNumeric && !isIp(numbers)) return ["is not an IPv4 address, which is four numbers from 0 to 255"];
  return undefined;
}
