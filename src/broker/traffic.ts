/**
 * How much has gone through one broker since its start.
 * Knows numbers; refuses to know connections. Each is counted where it is known anyway: a message of a batch costs nothing.
 * @module
 */

/** Counted since the start. */
export interface TrafficStats {
  /** Bytes that came, of whatever packets. */
  readonly bytesReceived: number;
  /** Bytes that transports took. */
  readonly bytesSent: number;
  /** Packets of any type that came on accepted connections, and the CONNECT and AUTH before. */
  readonly packetsReceived: number;
  /** Packets of any type that were written for Clients. */
  readonly packetsSent: number;
  /** PUBLISH packets written for Clients, repeats too. */
  readonly messagesSent: number;
  /** Bytes of the payloads of PUBLISH packets from Clients. */
  readonly payloadBytesReceived: number;
  /** Bytes of the payloads of PUBLISH packets written for Clients. */
  readonly payloadBytesSent: number;
  /** Network Connections that were opened. */
  readonly connectionsOpened: number;
  /** CONNECT packets that were accepted. */
  readonly connectsAccepted: number;
  /** The most connections with an accepted CONNECT at the same time. */
  readonly connectedMost: number;
  /** Sessions that have ended because nobody came back to them in time. */
  readonly sessionsExpired: number;
}

/** The numbers. */
export class Traffic {
  bytesReceived = 0;
  bytesSent = 0;
  packetsReceived = 0;
  /** Packets other than PUBLISH written for Clients. */
  answersSent = 0;
  messagesSent = 0;
  payloadBytesReceived = 0;
  payloadBytesSent = 0;
  connectionsOpened = 0;
  connectsAccepted = 0;
  connectedMost = 0;
  sessionsExpired = 0;

  /** One more connection is open; they are so many now. */
  accepted(open: number): void {
    this.connectsAccepted++;
    this.connectedMost = Math.max(this.connectedMost, open);
  }

  /** So many messages were written, with so many bytes in their payloads. */
  sent(messages: number, payloadBytes: number): void {
    this.messagesSent += messages;
    this.payloadBytesSent += payloadBytes;
  }

  /** All of them at present. */
  get stats(): TrafficStats {
    const { answersSent, ...rest } = this;
    return { ...rest, packetsSent: answersSent + this.messagesSent };
  }
}
