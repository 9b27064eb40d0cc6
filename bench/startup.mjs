// W8, start-up: measures small commands as whole processes, from start to exit, and compares them with Node alone.
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { NOOP, OURS } from "./contenders.mjs";
import { FILE, fileCommand, nodeOfFile, PACKAGE, packageCommand } from "./single-file.mjs";
import { runWhole, WHOLE_PROCESS_METRICS } from "./whole-process.mjs";

const CLI = [process.execPath, fileURLToPath(new URL("../dist/cli/main.js", import.meta.url))];
const DEADLINE_MS = 10_000;
const NODE_NOTHING = "node -e 0";
const CONNECT = "fourtuple connect";
const NODE_CONNECT = "node connect";
const FILES_NODE = "node -e 0, the executable's Node";

const NODE_SCRIPT = `require("node:net").connect(+process.argv[1], "127.0.0.1").pipe(process.stdout)`;

/**
 * @param {string} name
 * @param {string} settings
 * @param {(port: number) => string[]} commandFor
 */
const starter = (name, settings, commandFor) => ({
  name,
  settings,
  opensNothing: name === NOOP,
  make: () => ({ version: "", server: [], client: [], commandFor }),
});

/**
 * The same command of the package's files and of the executable.
 *
 * @param {string} command
 * @param {(port: number) => string[]} argsFor
 */
const both = (command, argsFor) =>
  [
    { name: PACKAGE, program: packageCommand },
    { name: FILE, program: fileCommand },
  ].map(({ name, program }) => ({
    name: `${name} ${command}`,
    settings: `${name} ${command}`,
    make() {
      const words = program();
      return {
        version: "",
        server: [],
        client: [],
        commandFor: (/** @type {number} */ port) => [...words, ...argsFor(port)],
      };
    },
  }));

/** @param {string} command */
const noSlower = (command) => ({
  title: `${FILE} ${command}: time ÷ the package's`,
  wanted: { atMost: 1 },
  of: { metric: "seconds", contender: `${FILE} ${command}`, against: `${PACKAGE} ${command}` },
});

/** @type {import("./workloads.mjs").Workload} */
export const START_UP = {
  name: "W8",
  title: "start-up, whole processes; each connection is greeted and closed by a server outside",
  rounds: 30,
  baseline: NODE_NOTHING,
  contenders: [
    starter(NODE_NOTHING, "node -e 0", () => [process.execPath, "-e", "0"]),
    starter(OURS, "fourtuple --version", () => [...CLI, "--version"]),
    starter(CONNECT, "fourtuple connect :port", (port) => [...CLI, "connect", `127.0.0.1:${port}`]),
    starter(NODE_CONNECT, "node -e with net.connect", (port) => [process.execPath, "-e", NODE_SCRIPT, `${port}`]),
    {
      name: FILES_NODE,
      settings: "node -e 0",
      make() {
        fileCommand();
        const command = [nodeOfFile(), "-e", "0"];
        return { version: "", server: [], client: [], commandFor: () => command };
      },
    },
    ...both("--version", () => ["--version"]),
    ...both("ports", (port) => ["ports", `:${port}`]),
    ...both("connect", (port) => ["connect", `127.0.0.1:${port}`]),
    starter(NOOP, "true: what is shown of it is the harness", () => ["true"]),
  ],
  metrics: WHOLE_PROCESS_METRICS,
  measures: [
    {
      title: "fourtuple --version: time ÷ node -e 0's",
      wanted: { under: 1.5 },
      of: { metric: "seconds", against: NODE_NOTHING },
    },
    {
      title: `${FILE} --version: time ÷ node -e 0's`,
      wanted: { atMost: 1.2 },
      of: { metric: "seconds", contender: `${FILE} --version`, against: FILES_NODE },
    },
    noSlower("ports"),
    noSlower("connect"),
  ],
  async prepare() {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end("hello");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    return { port, close: async () => void server.close() };
  },
  async run({ name, commandFor }, round, { port }) {
    const about = { contender: name, round };
    try {
      const { output, ...cost } = await runWhole(commandFor(port), DEADLINE_MS);
      return { ...about, ...cost };
    } catch (error) {
      return { ...about, error: /** @type {Error} */ (error).message };
    }
  },
};
