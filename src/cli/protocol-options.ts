// Protocol-specific options of `connect` and `serve`. The options are left out of the main help, which must fit on one
// screen; `fourtuple connect --help ws`, for example, shows those for WebSocket.
import { type Command, Help, Option } from "commander";
import type { TlsVersion } from "../linux/openssl/settings.js";
import type { ClientTlsOptions, TlsOptions } from "../planning/tls.js";
import type { ClientOnly, ProtocolOptions, ServerOnly } from "../protocols/spec/options.js";
import { TLS_VERSIONS } from "../results/identifiers.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";
import { durationFor, sizeFor } from "./parse.js";
import { fleetTopic } from "./topics/fleet.js";
import { httpTopic } from "./topics/http.js";
import { type MqttCommandOptions, mqttClientOptionsOf, mqttTopic } from "./topics/mqtt.js";
import { packetTopic } from "./topics/packet.js";
import { type ScriptCommandOptions, scriptOptionsOf, scriptTopic } from "./topics/script.js";
import type { Role, Topic } from "./topics/topic.js";

/** Options as parsed from the command line. */
export interface ProtocolCommandOptions extends MqttCommandOptions, ScriptCommandOptions {
  readonly header?: string[];
  readonly subprotocol?: string;
  readonly binary?: boolean;
  readonly pingInterval?: number;
  readonly maxMessageSize?: number;
  readonly handshakeTimeout?: number;
  readonly method?: string;
  readonly body?: string | Uint8Array;
  readonly closeAfterResponse?: boolean;
  readonly responseTimeout?: number;
  /** False with --no-reopen. */
  readonly reopen?: boolean;
  readonly status?: number;
  readonly eventInterval?: number;
  readonly delay?: number;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecure?: boolean;
  readonly tlsVersion?: TlsVersion;
  readonly ciphers?: string;
  readonly tlsResume?: boolean;
  readonly alpn?: string[];
  readonly servername?: string;
}

const TOPICS: Readonly<Record<string, Topic>> = {
  messages: {
    options: (role) =>
      role === "serve"
        ? []
        : [
            new Option("--message-file <file>", "send the content of this file, instead of -m"),
            new Option("--message-size <size>", "repeat the message up to this size").argParser(
              sizeFor("--message-size"),
            ),
            new Option("--expect <answer>", "what an answer is: echo, any or none (default: echo)").choices([
              "echo",
              "any",
              "none",
            ]),
            new Option("--expect-until <text>", "an answer ends with this text, such as '\\n'"),
            new Option("--expect-bytes <size>", "an answer has this many bytes").argParser(sizeFor("--expect-bytes")),
            new Option("--first-message <text>", "send this once, and wait for its answer, before the messages"),
            new Option("--await-greeting", "wait for the server's greeting before sending"),
            handshakeTimeout(),
          ],
    examples: {
      connect: `
Texts may contain \\n, \\r, \\t, \\0, \\\\ and \\xHH.
In messages over plain TCP and TLS, %i is the connection's number, and %%i is "%i".

Examples:
  fourtuple connect :6379 -c 1k -m 'PING\\r\\n' --expect-until '\\n' -r 10             redis
  fourtuple connect :6379 -c 1k --first-message 'AUTH secret\\r\\n' -m 'PING\\r\\n' --expect-until '\\n'
  fourtuple connect :25 -c 100 --await-greeting -m 'NOOP\\r\\n' --expect-until '\\n'   SMTP
  fourtuple connect :7777 -c 10k --message-size 1KiB -r 0.5                         1 KiB every 2 s`,
      serve: "",
    },
  },
  tls: {
    options: (role) => [
      ...(role === "connect"
        ? [
            new Option("--ca <file>", "trusted CA certificates, in PEM (default: the system's CAs)"),
            new Option("-k, --insecure", "do not verify the server's certificate"),
            new Option("--servername <name>", "name to request and verify (default: the destination's host)"),
            new Option("--cert <file>", "client certificate and its chain, in PEM"),
          ]
        : [
            new Option("--cert <file>", "certificate and its chain, in PEM (default: a self-signed one)"),
            new Option("--ca <file>", "require client certificates from these CAs, in PEM"),
          ]),
      new Option("--key <file>", "private key, in PEM (default: in the --cert file)"),
      new Option(
        "--tls-resume",
        role === "connect" ? "resume a session wherever the server allows it" : "issue session tickets",
      ),
      new Option("--tls-version <version>", "only this version (default: 1.2 and 1.3)").choices(TLS_VERSIONS),
      new Option("--ciphers <list>", "OpenSSL cipher list, or TLS 1.3 suites, separated by colons"),
      new Option("--alpn <names>", "protocols to negotiate, separated by commas").argParser(parseNames),
      handshakeTimeout(),
    ],
    examples: {
      connect: `
Examples:
  fourtuple connect tls://example.org:443 -c 1k              verified with the system's CAs
  fourtuple connect wss://:7777 -c 10k --insecure            WebSocket over TLS
  fourtuple connect tls://:7777 -c 10k --ca ca.pem --tls-resume`,
      serve: `
Examples:
  fourtuple serve tls://:7777                                self-signed; prints the fingerprint
  fourtuple serve wss://0.0.0.0:7777 --cert server.pem --key server.key`,
    },
  },
  ws: {
    options: (role) => [
      header(`add a header to the ${role === "connect" ? "upgrade request" : "answer to an upgrade"}; repeatable`),
      new Option("--subprotocol <name>", role === "connect" ? "subprotocol to request" : "subprotocol to accept"),
      new Option("--binary", "send binary messages (default: text)"),
      new Option("--ping-interval <duration>", "ping each connection this often (default: never)").argParser(
        durationFor("--ping-interval"),
      ),
      new Option("--max-message-size <size>", "longest message to accept (default: 1 MiB)").argParser(
        sizeFor("--max-message-size"),
      ),
      handshakeTimeout(),
    ],
    examples: {
      connect: `
Examples:
  fourtuple connect ws://:7777/chat -c 10k -m ping -r 0.1     send ping every 10 s, expect it back
  fourtuple connect ws://host/chat -H 'Authorization: Bearer x' --ping-interval 30s`,
      serve: `
Examples:
  fourtuple serve ws://:7777 --mode echo            accept upgrades of any path; send messages back
  fourtuple serve ws://0.0.0.0:7777/chat --ping-interval 30s`,
    },
  },
  http: httpTopic(header, handshakeTimeout),
  mqtt: mqttTopic(handshakeTimeout),
  protocol: scriptTopic,
  packet: packetTopic,
  fleet: fleetTopic,
};

/** Adds the options of all protocols to a command, and their topics with examples to its help. */
export function addProtocolOptions(command: Command, role: Role, examples: string): void {
  const topic = requestedTopic(role);
  const config = command.configureHelp();
  const ofProtocols = Object.values(TOPICS).flatMap(({ options }) => options(role));
  for (const option of ofProtocols) {
    // Several topics may share an option.
    if (!command.options.some(({ long }) => long === option.long)) command.addOption(option);
  }
  command.configureHelp({
    ...config,
    visibleOptions(shown) {
      if (topic) return topic.options(role);
      return Help.prototype.visibleOptions.call(this, shown).filter((option) => !ofProtocols.includes(option));
    },
  });
  const topics = topicsOf(role).map((name) => `--help ${name}`);
  const hint = `\nMore options: fourtuple ${role} ${topics.join(", ")}`;
  command.addHelpText("after", topic ? topic.examples[role] : `${examples}${hint}`);
}

/** Converts protocol options to the library client's options. */
export function clientProtocolOptionsOf(options: ProtocolCommandOptions): Omit<ProtocolOptions, ServerOnly> {
  const { method, closeAfterResponse, responseTimeout: responseTimeoutMs } = options;
  const ofMqtt = mqttClientOptionsOf(options);
  const reopen = options.reopen === false ? false : undefined;
  return { ...sharedOptionsOf(options), method, closeAfterResponse, responseTimeoutMs, reopen, ...ofMqtt };
}

/** Converts protocol options to the library server's options. */
export function serverProtocolOptionsOf(options: ProtocolCommandOptions): Omit<ProtocolOptions, ClientOnly> {
  const { status, eventInterval: eventIntervalMs, delay: delayMs, refuse } = options;
  return { ...sharedOptionsOf(options), status, eventIntervalMs, delayMs, refuse };
}

function sharedOptionsOf(options: ProtocolCommandOptions): Omit<ProtocolOptions, ClientOnly | ServerOnly> {
  return {
    ...scriptOptionsOf(options),
    headers: options.header,
    body: options.body,
    subprotocol: options.subprotocol,
    binary: options.binary,
    pingIntervalMs: options.pingInterval,
    maxMessageBytes: options.maxMessageSize,
    handshakeTimeoutMs: options.handshakeTimeout,
  };
}

/** Converts TLS options to the library server's options. */
export function tlsOptionsOf(options: ProtocolCommandOptions): TlsOptions {
  const { ca, cert, key, tlsVersion, ciphers, tlsResume, alpn } = options;
  return { ca, cert, key, tlsVersion, ciphers, tlsResume, alpn };
}

/** Converts TLS options to the library client's options. */
export function clientTlsOptionsOf(options: ProtocolCommandOptions): ClientTlsOptions {
  const { insecure, servername } = options;
  return { ...tlsOptionsOf(options), insecure, serverName: servername };
}

function handshakeTimeout(): Option {
  const words = "give up on a handshake, upgrade or first response after this time (default: 10s)";
  return new Option("--handshake-timeout <duration>", words).argParser(durationFor("--handshake-timeout"));
}

function parseNames(text: string): string[] {
  return text.split(",");
}

function header(words: string): Option {
  return new Option("-H, --header <field>", words).argParser(addHeader);
}

function addHeader(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/**
 * Returns the topic named after --help on this process's command line; undefined if another command is run, or no topic
 * is named.
 *
 * @throws {AppError} E_OPTION if the role has no such topic
 */
function requestedTopic(role: Role): Topic | undefined {
  const words = process.argv.slice(2);
  const at = words.findIndex((word) => word === "--help" || word === "-h");
  const word = at < 0 ? undefined : words[at + 1];
  // The option may also be followed by an address.
  if (words[0] !== role || word === undefined || !/^[a-z][a-z0-9-]*$/i.test(word)) return undefined;
  const names = topicsOf(role);
  if (names.includes(word)) return TOPICS[word];
  throw new AppError("E_OPTION", `unknown help topic: ${quoted(word)}`, {
    fix: `use --help alone, or one of ${names.map((name) => `--help ${name}`).join(", ")}`,
  });
}

function topicsOf(role: Role): string[] {
  return ["tls", "ws", "http", "mqtt", "protocol", "messages", "packet", "fleet"].filter(
    (name) => TOPICS[name]!.options(role).length > 0,
  );
}
