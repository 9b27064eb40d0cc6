// `--ui`: shows a run on a live page. Opens the page's server before the run starts, so that a wrong address is reported
// early. On a desktop, opens a browser as well.

import { spawn } from "node:child_process";
import type { EndEvent, LiveFeed } from "../../output/live/feed.js";
import type { LiveServer } from "../../output/live/server.js";
import { printNote } from "../../output/terminal/output.js";
import { isIp } from "../../util/address.js";
import { parseHostPorts } from "../../util/endpoint.js";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { noteIfReachable } from "../reachable.js";

/** Value of `--ui`: an address, or true for the default address. */
export type UiOption = string | true;

const DEFAULT_IP = "127.0.0.1";
const DEFAULT_PORT = 9475;

export class Ui {
  readonly url: string;
  readonly #server: LiveServer;
  readonly #button: { pressed: () => void };

  private constructor(server: LiveServer, button: { pressed: () => void }) {
    this.#server = server;
    this.#button = button;
    this.url = server.url;
  }

  /**
   * Opens the page and prints its address.
   *
   * @returns undefined without the option
   * @throws {AppError} E_OPTION, E_ADDRESS, E_PORT_IN_USE or E_LISTEN
   */
  static async open(option: UiOption | undefined): Promise<Ui | undefined> {
    if (option === undefined) return undefined;
    const { LiveServer } = await import("../../output/live/server.js");
    const button = { pressed: () => {} };
    const server = await listen(option, (ip, port) => LiveServer.open(ip, port, () => button.pressed()));
    const ui = new Ui(server, button);
    showPage(ui.url);
    if (option !== true) noteIfReachable(parseAddress(option).ip, "watch the run");
    return ui;
  }

  /** @param stop stops the run when the page's button is pressed */
  show(feed: LiveFeed, stop: () => void): void {
    this.#button.pressed = stop;
    this.#server.show(feed);
  }

  /** Turns the open pages into the report. */
  async end(result: Parameters<typeof import("../../output/html/render.js")["render"]>[0]): Promise<void> {
    const { render } = await import("../../output/html/render.js");
    await this.#end({ report: render(result), file: `fourtuple-${result.kind}.html`, failure: undefined });
  }

  /** Shows why the run failed. */
  async fail(error: unknown): Promise<void> {
    const failure = error instanceof Error ? error.message : String(error);
    await this.#end({ report: undefined, file: "", failure });
  }

  async #end(last: EndEvent): Promise<void> {
    await this.#server.end(last);
  }
}

/** Prints the address of a page, and opens it on a desktop. */
export function showPage(url: string): void {
  printNote(`live page: ${url}`);
  openBrowser(url);
}

async function listen(option: UiOption, open: (ip: string, port: number) => Promise<LiveServer>): Promise<LiveServer> {
  if (option !== true) {
    const { ip, port } = parseAddress(option);
    return open(ip, port);
  }
  try {
    return await open(DEFAULT_IP, DEFAULT_PORT);
  } catch (error) {
    if ((error as AppError).code !== "E_PORT_IN_USE") throw error;
    return open(DEFAULT_IP, 0);
  }
}

/** @throws {AppError} E_OPTION or E_ADDRESS */
function parseAddress(text: string): { readonly ip: string; readonly port: number } {
  const { host, ports } = parseHostPorts(text, { anyPort: true });
  const ip = host === "localhost" ? DEFAULT_IP : host;
  if (!isIp(ip) || ports.last !== ports.first) {
    throw new AppError("E_OPTION", `--ui ${quoted(text)} is not valid`, {
      fix: "use one address and port of this host, such as --ui 127.0.0.1:9475",
    });
  }
  return { ip, port: ports.first };
}

/** Opens a browser on a desktop: with a display, at a terminal, and not through SSH. */
function openBrowser(url: string, env: NodeJS.ProcessEnv = process.env): void {
  const isDesktop = Boolean(env.DISPLAY || env.WAYLAND_DISPLAY) && !env.SSH_CONNECTION;
  if (!isDesktop || !process.stderr.isTTY) return;
  // The browser may run in the foreground of xdg-open, so do not wait for it, and do not let it keep this process alive.
  const opener = spawn("xdg-open", [url], { detached: true, stdio: "ignore" });
  opener.on("error", () => undefined);
  opener.unref();
}
