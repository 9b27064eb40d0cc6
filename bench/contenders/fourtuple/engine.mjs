// The engine of our programs: ENGINE in their environment, or the library's own choice.
export const engine = /** @type {"auto" | "epoll" | "uring"} */ (process.env.ENGINE ?? "auto");
