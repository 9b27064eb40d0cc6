// Settings of the fourtuple contenders from their environment: ENGINE, or the library's default; SCHEME of the address,
// or plain TCP.
export const engine = /** @type {"auto" | "epoll" | "uring"} */ (process.env.ENGINE ?? "auto");
export const scheme = process.env.SCHEME ? `${process.env.SCHEME}://` : "";
