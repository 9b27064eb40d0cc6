// The banner protocol: the server speaks first, like SMTP or SSH, and discards what it receives. The client
// sends nothing.
import type { ClientConnections, ClientProtocol, Connections, Replies } from "./contract.js";
import { DiscardServer } from "./discard.js";

export class BannerServer extends DiscardServer {
  override readonly constants: readonly Uint8Array[];
  private readonly hasBanner: boolean;
  private readonly closes: boolean;

  /**
   * @param banner sent as soon as a connection is open; may be empty
   * @param closes whether the server closes the connection after the banner
   */
  constructor(connections: Connections, banner: Uint8Array, closes: boolean) {
    super(connections);
    this.constants = [banner];
    this.hasBanner = banner.length > 0;
    this.closes = closes;
  }

  override opened(slot: number): void {
    this.connections.ready(slot);
    if (!this.hasBanner) return;
    this.connections.sendConstant(slot, 0);
    if (this.closes) this.connections.close(slot);
  }
}

export class BannerClient implements ClientProtocol {
  readonly slotBytes = 0;
  readonly constants: readonly Uint8Array[] = [];
  readonly replies: Replies = "none";
  readonly handshake = "none";
  readonly heartbeatMs = 0;
  readonly isAnswered = false;
  private readonly connections: ClientConnections;

  constructor(connections: ClientConnections) {
    this.connections = connections;
  }

  /**
   * The connection is ready at once, because the client cannot know whether the server will send anything.
   */
  opened(slot: number): void {
    this.connections.ready(slot);
  }

  received(_slot: number, _bytes: Uint8Array, _start: number, _end: number): void {}
  due(_slot: number): void {}

  beat(_slot: number): void {}
  closing(_slot: number): void {}
  closed(_slot: number): void {}
}
