// Argument parsers for commander. The error messages name the option.

import { Option } from "commander";
import type { Stage } from "../planning/schedule.js";
import { ENGINE_CHOICES, TRANSPORTS } from "../results/identifiers.js";
import { type AddressRange, parseAddressRanges } from "../util/address-range.js";
import { type PortRange, parsePorts } from "../util/endpoint.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";
import { parseCount, parseDuration, parseRate, parseSize } from "../util/units.js";

export const countFor =
  (option: string, max?: number) =>
  (text: string): number =>
    parseCount(text, option, 1, max);

export const rateFor =
  (option: string) =>
  (text: string): number =>
    parseRate(text, option);

export const durationFor =
  (option: string) =>
  (text: string): number =>
    parseDuration(text, option);

/** Parses a duration, or `forever` for no limit. */
export const holdFor =
  (option: string) =>
  (text: string): number =>
    text === "forever" ? Number.POSITIVE_INFINITY : parseDuration(text, option);

export const sizeFor =
  (option: string) =>
  (text: string): number =>
    parseSize(text, option);

/** Parses a percentage such as `80` or `80%` into a fraction, here 0.8. */
export const parsePercent =
  (option: string) =>
  (text: string): number => {
    const [, percent] = /^(\d+(?:\.\d+)?)\s?%?$/.exec(text.trim()) ?? [];
    if (percent === undefined || Number(percent) > 100) {
      throw new AppError("E_OPTION", `${option} "${text}" is not valid`, {
        fix: "use a percentage from 0 to 100, such as 80",
      });
    }
    return Number(percent) / 100;
  };

/** Parses a stage such as `30s:100k` and appends it to the preceding ones. */
export function addStage(text: string, before: readonly Stage[] = []): Stage[] {
  const match = /^([^:]+):([^:]+)$/.exec(text);
  if (!match) {
    throw new AppError("E_OPTION", `--stage ${quoted(text)} is not valid`, {
      fix: "use a duration and the number of connections at its end, such as 30s:100k",
    });
  }
  const [, duration, count] = match as unknown as [string, string, string];
  return [...before, { durationMs: parseDuration(duration, "--stage"), target: parseCount(count, "--stage", 0) }];
}

/** Parses addresses, lists, ranges and CIDR blocks, and appends them to the preceding ones. */
export function addSources(text: string, before: readonly AddressRange[] = []): AddressRange[] {
  return [...before, ...parseAddressRanges(text)];
}

/** Parses a port, a range such as `1024-65535`, or `kernel`. */
export function parseSourcePort(text: string): PortRange | "kernel" {
  if (text === "kernel") return "kernel";
  if (!/^\d+(-\d+)?$/.test(text)) {
    throw new AppError("E_OPTION", `--source-port ${quoted(text)} is not valid`, {
      fix: "use a port, a range such as 1024-65535, or kernel to let the kernel choose",
    });
  }
  return parsePorts(text);
}

/** Returns the `--transport` option of both roles. */
export function transportOption(): Option {
  return new Option("--transport <which>", "kernel, or packet: TCP in this program, through a TUN device").choices(
    TRANSPORTS,
  );
}

/** Returns the other options of both roles for `--transport packet`, which `--help packet` lists. */
export function networkOptions(): Option[] {
  return [
    new Option("--delayed-ack", "let an ACK wait up to 40 ms for data that carries it, or for a second segment"),
    new Option("--apply", "change this host as other hosts require, until the end of the run"),
    new Option("--journal <file>", "journal of these changes (root: /var/lib/fourtuple/journal.jsonl)"),
  ];
}

/** Returns the `--engine` option of every command that opens or holds connections. */
export function engineOption(): Option {
  return new Option("--engine <which>", "auto, epoll or uring (default: auto)").choices(ENGINE_CHOICES);
}

/** Returns the `--netns` and `--pid` options of every command that can look into another network namespace. */
export function netnsOptions(): readonly [netns: Option, pid: Option] {
  return [
    new Option("-N, --netns <name>", "look in another network namespace: a name from ip netns, or a path"),
    new Option("--pid <pid>", "look in the network namespace of this process")
      .argParser(countFor("--pid"))
      .conflicts("netns"),
  ];
}

/** Returns the `--creds` option of every command that connects to NATS. */
export function credsOption(): Option {
  return new Option("--creds <file>", "credentials of the NATS user; a token: in FOURTUPLE_NATS_TOKEN");
}

/** Returns the `--nats-ca` option of every command that connects to NATS. */
export function natsCaOption(): Option {
  return new Option("--nats-ca <file>", "CA certificates (PEM) that verify the NATS server");
}

/** Returns the `--ui` option of every command that shows its run on a live page. */
export function uiOption(): Option {
  return new Option("--ui [ip:port]", "show the run on a live page in a browser (default: 127.0.0.1:9475)");
}
