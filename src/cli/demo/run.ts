// Runs `fourtuple demo`: a server and a client in separate processes, the kernel's count of connections, and the
// verdict.

import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { onSnapshot, onStarted } from "../../client/event-stream.js";
import type { ConnectSnapshot } from "../../client/snapshot.js";
import { type Live, openLive } from "../../output/terminal/live.js";
import { print, printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { RateMeter } from "../../output/terminal/rate-meter.js";
import { connectLine, connectPanel } from "../../output/text/connect-progress.js";
import { type DemoEvidence, demoInterrupted, demoTitle, demoVerdict, isDemoProven } from "../../output/text/demo.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Explained } from "../../results/diagnosis.js";
import type { MemoryRoom } from "../../results/evidence.js";
import type { ServeResult } from "../../results/serve.js";
import { AppError } from "../../util/errors.js";
import type { Subprocess } from "../../util/subprocess.js";
import { formatCount } from "../../util/units.js";
import { showMetrics } from "../run-metrics.js";
import { onStopSignals } from "../signals.js";
import { Interrupted } from "../supervise.js";
import { showPage, type UiOption } from "../ui/ui.js";
import { openFleet } from "./fleet.js";
import { assertFiles, type DemoPlace, memoryObstacle, openLoopback, openNamespaces } from "./place.js";
import { finishCommand, stopCommand } from "./process.js";

const EXAMPLES = 3;
const LINE_MS = 1000;
/** The client holds its connections until it is stopped or this process exits. */
const HOLD = "forever";
/** Duration of the ramp and of the hold if there is a page to watch them on. */
const WATCHED_MS = 10_000;

/** Number of open connections in the client's last snapshot. */
let openAtLast = 0;

export interface DemoSettings {
  readonly engine?: string | undefined;
  readonly ui?: UiOption | undefined;
  /** Address on which to serve metrics. */
  readonly metrics?: string | undefined;
  /** Whether to divide the connections among agents. */
  readonly fleet?: boolean;
  /** Memory that may be used; by default, that of this host. */
  readonly room?: MemoryRoom;
}

/** @returns the exit code */
export async function runDemo(
  wanted: number,
  { engine = "auto", ui, metrics, fleet = false, room }: DemoSettings = {},
): Promise<number> {
  const children: Subprocess[] = [];
  const interruption = watchSignals(children);
  print(demoTitle(wanted, paintFor(process.stdout)));
  const watched = watchedAs(ui, metrics, wanted);
  // A page could not be reached in a namespace.
  const place = fleet ? await openFleet() : watched.length === 0 ? await choosePlace(wanted, room) : openLoopback();
  if (place.title !== undefined) print(place.title);
  try {
    assertFiles(wanted, place);
    const evidence = await Promise.race([
      gatherEvidence(wanted, engine, children, watched, place),
      interruption.happened,
    ]);
    printResult(demoVerdict(evidence, paintFor(process.stdout)).trimEnd());
    return isDemoProven(evidence) ? 0 : 1;
  } catch (error) {
    if (error instanceof Interrupted && error.exitCode !== 0) print(demoInterrupted(wanted, openAtLast));
    throw error;
  } finally {
    // Stop the client first, so that it closes its connections rather than losing them.
    for (const child of children.reverse()) await stopCommand(child, undefined, wanted);
    await place[Symbol.asyncDispose]();
    interruption.forget();
  }
}

/** Returns where to run the demo, and says so if memory for clients with kernel sockets is short. */
async function choosePlace(wanted: number, room: MemoryRoom | undefined): Promise<DemoPlace> {
  const obstacle = memoryObstacle(wanted, room);
  if (obstacle === undefined) return openLoopback();
  print(obstacle);
  try {
    const place = await openNamespaces();
    print("so the client speaks TCP itself (--transport packet), and only the server's sockets take kernel memory\n");
    return place;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    print(`a client without kernel sockets would need half of that, but cannot run here: ${error.message}\n`);
    return openLoopback();
  }
}

async function gatherEvidence(
  wanted: number,
  engine: string,
  children: Subprocess[],
  watched: readonly string[],
  place: DemoPlace,
): Promise<DemoEvidence> {
  const port = await startServer(place, engine, children);
  const load = ["-c", `${wanted}`, ...place.clientOptions(port), "-T", HOLD, "--engine", engine];
  const client = place.startClient(["connect", `${place.serverIp}:${port}`, ...load, ...watched, "--json"]);
  children.push(client);
  onStarted(client, ({ ui, metrics }) => {
    if (ui !== undefined) showPage(ui);
    if (metrics !== undefined) showMetrics(metrics);
  });
  await allOpen(client);
  const counted = await place.count(port);
  const examples = place.examples(port, children[0]!, EXAMPLES);
  if (watched.length > 0) {
    const then = watched.includes("--ui") ? ", when the page turns into the report" : "";
    print(`counted by the kernel; closing all in ${WATCHED_MS / 1000} s${then}\n`);
    await firstOf(client, delay(WATCHED_MS, undefined, { ref: false }));
  } else print("counted by the kernel; closing all\n");
  const clientResult = await finishCommand<Explained<ConnectResult>>(client, "client", undefined, wanted);
  const serverResult = await finishCommand<ServeResult>(children[0]!, "server", undefined, wanted);
  return {
    wanted,
    port,
    counted: counted.sockets,
    countedBy: counted.source,
    examples,
    client: clientResult,
    server: serverResult,
  };
}

/** Returns the client's options for a page or metrics: a ramp slow enough to be watched. Empty for neither. */
function watchedAs(ui: UiOption | undefined, metrics: string | undefined, wanted: number): string[] {
  if (ui === undefined && metrics === undefined) return [];
  const rate = Math.ceil((wanted * 1000) / WATCHED_MS);
  return [
    ...(metrics === undefined ? [] : ["--metrics", metrics]),
    ...(ui === undefined ? [] : ui === true ? ["--ui"] : ["--ui", ui]),
    ...["--connect-rate", `${rate}`],
  ];
}

/**
 * Starts the server on the first free port.
 * @returns the port
 */
async function startServer(
  place: DemoPlace,
  engine: string,
  children: Subprocess[],
  [wanted, ...others] = place.ports,
): Promise<number> {
  const { serverIp } = place;
  const server = place.startServer(["serve", `${serverIp}:${wanted}`, "--log", "none", "--engine", engine, "--json"]);
  children[0] = server;
  try {
    const [line] = (await firstOf(server, once(server, "line"))) as [string];
    const { port, pid }: { port: number; pid: number } = JSON.parse(line);
    print(`server: process ${pid}, listening on ${serverIp}:${port}`);
    return port;
  } catch (error) {
    if (others.length === 0 || !server.stderr.includes("in use")) throw error;
    return startServer(place, engine, children, others);
  }
}

/** Shows the client's progress until it has opened all the connections it can. */
async function allOpen(client: Subprocess): Promise<void> {
  const live = await openLive(process.stdout);
  const show = progressPrinter(live);
  const isHolding = new Promise<void>((resolve) => {
    let isHeld = false;
    onSnapshot(client, (snapshot) => {
      if (isHeld) return;
      show(snapshot);
      isHeld = snapshot.stage === "hold";
      if (!isHeld) return;
      live?.end();
      print(`client: ${formatCount(snapshot.open)} connections open`);
      resolve();
    });
  });
  await firstOf(client, isHolding).finally(() => live?.end());
}

function progressPrinter(live: Live | undefined): (snapshot: ConnectSnapshot) => void {
  const meter = new RateMeter();
  const paint = paintFor(process.stdout);
  let nextMs = LINE_MS;
  return (snapshot) => {
    const ratePerSec = meter.take(snapshot.elapsedMs, snapshot.established);
    openAtLast = snapshot.open;
    const progress = { snapshot, ratePerSec, isShortLived: false };
    if (live) live.show(connectPanel(progress, paint));
    else if (snapshot.elapsedMs >= nextMs && snapshot.stage === "ramp") {
      nextMs += LINE_MS;
      print(connectLine(progress));
    }
  };
}

/** @throws {AppError} if the child exits before `awaited` resolves */
function firstOf<T>(child: Subprocess, awaited: Promise<T>): Promise<T> {
  const ended = child.result.then((): never => {
    throw new AppError("E_CONNECT", `one of the demo's processes stopped early: ${child.reason}`, {
      fix: child.fix ?? "try fewer connections, such as --connections 10k",
    });
  });
  return Promise.race([awaited, ended]);
}

/** The first signal ends the demo gracefully; a later one kills its processes. */
function watchSignals(children: readonly Subprocess[]): { readonly happened: Promise<never>; forget(): void } {
  let interrupt!: (reason: Interrupted) => void;
  const happened = new Promise<never>((_, reject) => {
    interrupt = reject;
  });
  // This avoids an unhandled rejection once nothing awaits the promise any more.
  happened.catch(() => undefined);
  const forgetSignals = onStopSignals(
    (signal) => interrupt(new Interrupted(signal)),
    () => {
      for (const child of children) child.kill("SIGKILL");
    },
  );
  const onOutputError = () => interrupt(new Interrupted("SIGPIPE"));
  process.stdout.on("error", onOutputError);
  return {
    happened,
    forget: () => {
      forgetSignals();
      process.stdout.off("error", onOutputError);
    },
  };
}
