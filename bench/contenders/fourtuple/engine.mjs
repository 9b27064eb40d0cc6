// Engine of the fourtuple contenders: ENGINE in their environment, or the library's default.
export const engine = /** @type {"auto" | "epoll" | "uring"} */ (process.env.ENGINE ?? "auto");
