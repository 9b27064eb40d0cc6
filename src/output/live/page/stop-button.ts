// The button that stops the run. Only those who opened the address with its token see it. Browsers send the part after
// # to no server. The button must be pressed twice, because a stray click could end a test that has run for hours.
import { byId } from "./dom.js";

const ARMED_MS = 4000;

export class StopButton {
  readonly #button = byId<HTMLButtonElement>("stop");
  readonly #token = location.hash.slice(1);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.#button.addEventListener("click", () => this.#press());
  }

  show(): void {
    this.#button.hidden = this.#token === "";
  }

  hide(): void {
    this.#button.hidden = true;
  }

  #press(): void {
    if (this.#button.classList.contains("armed")) return void this.#stop();
    this.#button.classList.add("armed");
    this.#button.textContent = "Press again to stop";
    this.#timer = setTimeout(() => this.#reset(), ARMED_MS);
  }

  #reset(): void {
    clearTimeout(this.#timer);
    this.#button.classList.remove("armed");
    this.#button.textContent = "Stop the run";
  }

  async #stop(): Promise<void> {
    this.#reset();
    const { ok } = await fetch("stop", { method: "POST", headers: { "x-fourtuple-token": this.#token } });
    this.#button.disabled = true;
    this.#button.textContent = ok ? "Stopping…" : "Not allowed";
  }
}
