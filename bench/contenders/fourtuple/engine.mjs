// Reads the settings of the fourtuple contenders from their environment: ENGINE, by default the library's; and SCHEME
// of the address, by default plain TCP.
export const engine = /** @type {"auto" | "epoll" | "uring"} */ (process.env.ENGINE ?? "auto");
export const scheme = process.env.SCHEME ? `${process.env.SCHEME}://` : "";
