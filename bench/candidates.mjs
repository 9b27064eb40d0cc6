// The five pairs of a workload that has programs of its own: which of a peer's programs are its server and its client, and
// with which settings they play.
import { commandOf, findBun, firstLine } from "./programs.mjs";

/** @type {Record<string, () => string>} */
const VERSIONS = {
  "c-epoll": () => firstLine("cc", "--version"),
  go: () => firstLine("go", "version"),
  node: () => `node ${process.version}`,
  bun: () => `bun ${firstLine(findBun(), "--version")}`,
  fourtuple: () => `node ${process.version}`,
};

/**
 * @param {{ server: string, client: string }} roles of their programs
 * @param {Record<string, string>} settings in words, by peer
 */
export function candidates(roles, settings) {
  return Object.entries(settings).map(([name, words]) => ({
    name,
    settings: words,
    make: () => ({
      version: VERSIONS[name](),
      server: commandOf(name, roles.server),
      client: commandOf(name, roles.client),
    }),
  }));
}
