// Programs of the contenders by role, such as "echo-server". On first use, they are built, or their runtime is
// looked up.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const BUILD_MS = 120_000;
const BUN = `build/node_modules/@oven/bun-linux-${process.arch === "x64" ? "x64" : "aarch64"}/bin/bun`;

/** @type {Record<string, (role: string) => string[]>} */
const COMMANDS = {
  "c-epoll": (role) => [
    build(`contenders/c-epoll/${role}.c`, `c-${role}`, (source, target) => ["cc", ["-O2", "-o", target, source]]),
  ],
  "c-uring": (role) => [
    build(`contenders/c-uring/${role}.c`, `uring-${role}`, (source, target) => ["cc", ["-O2", "-o", target, source]]),
  ],
  go: (role) => [
    build(`contenders/go/${role}.go`, `go-${role}`, (source, target) => ["go", ["build", "-o", target, source]]),
  ],
  node: (role) => [process.execPath, pathOf(`contenders/node/${role}.mjs`)],
  bun: (role) => [findBun(), pathOf(`contenders/bun/${role}.mjs`)],
  "c-openssl": (role) => [
    build(`contenders/c-openssl/${role}.c`, `openssl-${role}`, (source, target) => [
      "cc",
      ["-O2", "-o", target, source, "-lssl", "-lcrypto"],
    ]),
  ],
  ws: (role) => [process.execPath, pathOf(`contenders/ws/${role}.mjs`)],
  wrk: (role) => [process.execPath, pathOf(`contenders/wrk/${role}.mjs`)],
  nginx: (role) => [process.execPath, pathOf(`contenders/nginx/${role}.mjs`)],
  mosquitto: (role) => [process.execPath, pathOf(`contenders/mosquitto/${role}.mjs`)],
  mqttjs: (role) => [process.execPath, pathOf(`contenders/mqttjs/${role}.mjs`)],
  noop: (role) => ["sh", pathOf(`contenders/noop/${role}.sh`)],
  fourtuple: (role) => [process.execPath, pathOf(`contenders/fourtuple/${role}.mjs`)],
  "fourtuple-epoll": (role) => ["env", "ENGINE=epoll", ...commandOf("fourtuple", role)],
  "fourtuple-uring": (role) => ["env", "ENGINE=uring", ...commandOf("fourtuple", role)],
};

/** @type {Record<string, () => string>} */
const VERSIONS = {
  "c-epoll": () => firstLine("cc", "--version"),
  "c-uring": () => {
    needUring();
    return firstLine("cc", "--version");
  },
  go: () => firstLine("go", "version"),
  node: () => `node ${process.version}`,
  bun: () => `bun ${firstLine(findBun(), "--version")}`,
  noop: () => "sh",
  fourtuple: () => `node ${process.version}`,
  "fourtuple-epoll": () => `node ${process.version}`,
  "fourtuple-uring": () => {
    needUring();
    return `node ${process.version}`;
  },
};

/**
 * Returns a server and a client of a contender.
 *
 * @param {string} contender
 * @param {{ server: string, client: string }} roles
 * @param {string[]} clientOptions
 * @throws the same errors as commandOf()
 */
export function pairOf(contender, { server, client }, ...clientOptions) {
  return {
    version: /** @type {() => string} */ (VERSIONS[contender])(),
    server: commandOf(contender, server),
    client: [...commandOf(contender, client), ...clientOptions],
  };
}

/**
 * @param {string} contender
 * @param {string} role file name in bench/contenders/<contender>/ without its extension
 * @returns {string[]} the command that runs it
 * @throws the error of its compiler or package manager if that is missing or fails
 */
export function commandOf(contender, role) {
  return /** @type {(role: string) => string[]} */ (COMMANDS[contender])(role);
}

/** Bun's platform package contains its binary, so it needs no install script and does not become a dependency. */
function findBun() {
  if (!existsSync(pathOf(BUN))) install("bun", "mqtt");
  return pathOf(BUN);
}

/**
 * Installs a package into bench/build, unless it is there.
 * @param {string} name
 * @throws if it cannot be installed
 */
export function installed(name) {
  if (!existsSync(pathOf(`build/node_modules/${name}`))) install("mqtt", "bun");
}

/**
 * @param {string[]} names all packages, because npm removes any that are not listed
 */
function install(...names) {
  mkdirSync(pathOf("build"), { recursive: true });
  // Fail at once without a network, instead of after a minute.
  const options = ["--no-save", "--ignore-scripts", "--fetch-retries=0", "--prefix", pathOf("build")];
  execFileSync("npm", ["install", ...options, ...names], { timeout: BUILD_MS, stdio: "pipe" });
}

/**
 * Builds bench/build/<target> unless it is newer than its source.
 *
 * @param {string} source
 * @param {string} target
 * @param {(source: string, target: string) => [string, string[]]} commandFor
 */
function build(source, target, commandFor) {
  const from = pathOf(source);
  const to = pathOf(`build/${target}`);
  if (existsSync(to) && statSync(to).mtimeMs > statSync(from).mtimeMs) return to;
  mkdirSync(pathOf("build"), { recursive: true });
  const [program, args] = commandFor(from, to);
  // Only Go's standard library is needed, so download nothing.
  const go = {
    GOCACHE: process.env.GOCACHE ?? pathOf("build/go-cache"),
    GOFLAGS: "-mod=mod",
    GOPROXY: "off",
    GOTOOLCHAIN: "local",
  };
  execFileSync(program, args, { timeout: BUILD_MS, stdio: "pipe", env: { ...process.env, ...go } });
  return to;
}

/** @throws with the reason if this host has no usable io_uring */
function needUring() {
  const script = `import { uringObstacle } from ${JSON.stringify(pathOf("../dist/linux/uring/support.js"))};
    console.log(JSON.stringify(uringObstacle() ?? null))`;
  const obstacle = firstLine(process.execPath, "--input-type=module", "-e", script);
  if (obstacle !== "null") throw new Error(`io_uring is unavailable: ${obstacle}`);
}

/** @param {string} path */
function pathOf(path) {
  return fileURLToPath(new URL(path, import.meta.url));
}

/**
 * @param {string} program
 * @param {string[]} args
 */
export function firstLine(program, ...args) {
  return execFileSync(program, args, { encoding: "utf8", timeout: BUILD_MS, stdio: "pipe" }).split("\n")[0] ?? "";
}
