// Measures how many cores this process uses.

export class CoreMeter {
  #usage = process.cpuUsage();
  #atMs = performance.now();

  /** @returns cores used since the last call, in hundredths */
  take(): number {
    const [usage, nowMs] = [process.cpuUsage(), performance.now()];
    const usedUs = usage.user + usage.system - this.#usage.user - this.#usage.system;
    const cores = usedUs / 1000 / Math.max(nowMs - this.#atMs, 1);
    this.#usage = usage;
    this.#atMs = nowMs;
    return Math.round(cores * 100) / 100;
  }
}
