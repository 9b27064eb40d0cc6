// `fourtuple serve`: holds whatever connects to one port, and says what happened.
import { Option } from "commander";
import { explainRun } from "../../doctor/explain/run.js";
import { FIRST_LOGGED, type ServeOptions } from "../../serve/options.js";
import type { ServeSnapshot } from "../../serve/result.js";
import type { ServeRun } from "../../serve/run.js";
import { type Live, openLive } from "../../ui/live.js";
import { paintFor } from "../../ui/paint.js";
import { RateMeter } from "../../ui/rate-meter.js";
import {
  backlogNote,
  clientLine,
  isSameMoment,
  listeningLine,
  NOT_PRINTED,
  serveProgress,
  serveSummary,
} from "../../ui/serve-text.js";
import type { AddCommand } from "../add-command.js";
import { countFor } from "../parse.js";
import { supervise } from "../supervise.js";

type Options = Omit<ServeOptions, "at"> & { readonly json?: boolean };

const EXAMPLES = `
Examples:
  fourtuple serve :7777                        greet with hello and hold, on 127.0.0.1
  fourtuple serve 0.0.0.0:7777 --mode echo     for other hosts too; send back what comes
  fourtuple serve :7777 --close-after-greeting greet and close, one connection after the other
  fourtuple serve [::1]:0 --json               a free port, told by the first event`;

const PROGRESS_MS = 1000;
const BACKLOG = 65_535;

export const addServe: AddCommand = (program, finish) => {
  program
    .command("serve")
    .usage("[options] <host:port>")
    .summary("hold connections on one port; greet, echo or discard")
    .description(
      "Listens on one port and holds whatever connects. host:port, [::1]:7777, or :7777 for 127.0.0.1;\nport 0 lets the kernel choose. Ctrl-C ends it with a summary, a second one at once.",
    )
    .argument("<host:port>")
    .addOption(
      new Option("--mode <mode>", "hello, echo or discard (default: hello)")
        .choices(["hello", "echo", "discard"])
        .default("hello"),
    )
    .option("--greeting <text>", "sent to each connection (default: hello in mode hello)")
    .option("--close-after-greeting", "greet, then close")
    .option("--backlog <n>", "length of the accept queue (default: 65,535)", countFor("--backlog", BACKLOG))
    .option("--max-connections <n>", "hold at most so many; close further ones at once", countFor("--max-connections"))
    .addOption(
      new Option("--log <which>", "clients' addresses to print: first, all or none (default: the first 10)")
        .choices(["first", "all", "none"])
        .default("first"),
    )
    .option("--json", "one JSON event a line: listening, connection, snapshot, result")
    .addHelpText("after", EXAMPLES)
    .action(async (at: string, options: Options) => {
      finish(await runServe(at, options));
    });
};

async function runServe(at: string, options: Options): Promise<number> {
  const { serve } = await import("../../serve/serve.js");
  const run = await serve({ ...options, at });
  const printer = options.json ? new JsonPrinter(run) : new TextPrinter(run, options, await openLive(process.stderr));
  run.on("connection", (peer) => printer.connection(peer));
  let last = run.snapshot();
  // Unreferenced: the run keeps the process alive, not its progress.
  const timer = setInterval(() => {
    const now = run.snapshot();
    printer.moment(now, isSameMoment(now, last));
    last = now;
  }, PROGRESS_MS).unref();
  try {
    const result = await supervise(run);
    printer.end(result);
  } finally {
    clearInterval(timer);
    printer.leave();
  }
  return 0;
}

type Result = Awaited<ServeRun["done"]>;
type Peer = ServeRun["address"];

class JsonPrinter {
  constructor(run: ServeRun) {
    this.#print({ event: "listening", ...run.address, backlog: run.backlog, pid: process.pid });
  }

  connection(peer: Peer): void {
    this.#print({ event: "connection", ...peer });
  }

  moment(snapshot: ServeSnapshot, isSame: boolean): void {
    if (!isSame) this.#print({ event: "snapshot", ...snapshot });
  }

  end(result: Result): void {
    this.#print({ event: "result", ...result, diagnosis: explainRun(result) });
  }

  leave(): void {}

  #print(event: object): void {
    process.stdout.write(`${JSON.stringify(event)}\n`);
  }
}

class TextPrinter {
  readonly #log: ServeOptions["log"];
  readonly #live: Live | undefined;
  readonly #meter = new RateMeter();
  readonly #paint = paintFor(process.stderr);
  #printed = 0;
  #hasSaidNotPrinted = false;

  constructor(run: ServeRun, { log, backlog = BACKLOG }: Options, live: Live | undefined) {
    this.#log = log;
    this.#live = live;
    const note = backlogNote(backlog, run.backlog);
    if (note) process.stderr.write(`${note}\n`);
    this.#print(listeningLine(run.address));
    this.moment(run.snapshot(), live === undefined);
  }

  connection(peer: Peer): void {
    this.#print(clientLine(peer));
    this.#printed++;
  }

  moment(snapshot: ServeSnapshot, isSame: boolean): void {
    const ratePerSec = this.#meter.take(snapshot.elapsedMs, snapshot.accepted);
    this.#sayNotPrinted(snapshot.accepted);
    if (this.#live) this.#live.show(serveProgress(snapshot, ratePerSec, this.#paint));
    else if (!isSame) process.stderr.write(`${serveProgress(snapshot, ratePerSec)}\n`);
  }

  end(result: Result): void {
    this.#sayNotPrinted(result.accepted);
    const printed = this.#log === "none" ? undefined : this.#printed;
    this.#print(`\n${serveSummary(result, printed, paintFor(process.stdout))}`);
  }

  leave(): void {
    this.#live?.end();
  }

  #sayNotPrinted(accepted: number): void {
    if (this.#hasSaidNotPrinted || this.#log !== "first" || accepted <= this.#printed) return;
    // The tenth may still be on its way from its thread.
    if (this.#printed < FIRST_LOGGED) return;
    this.#hasSaidNotPrinted = true;
    this.#print(NOT_PRINTED);
  }

  #print(line: string): void {
    this.#live?.clear();
    process.stdout.write(`${line}\n`);
  }
}
