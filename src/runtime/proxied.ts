/**
 * Connections that begin with a PROXY header: they are accepted when it has come, with the peer that it names.
 * Knows whose headers are believed; refuses to know the form of a header.
 * @module
 */
import { PROXY_HEADER_BYTES_MAX, type ProxyHeader, readProxyHeader } from "../transport/proxy_header.ts";
import type { Accept, PeerInfo } from "./endpoint.ts";
import { type HeadOptions, HeadTransport, HeadWait } from "./head.ts";
import type { HandshakeSlots } from "./tls/slots.ts";

/** Which connections begin with a header. */
export interface ProxyOptions {
  /** Whether the peer at this address is a proxy: it must send a header. Nobody else may. */
  expects(address: string): boolean;
  /** Time for the header, ms. */
  readonly timeoutMs: number;
  /** Places of connections that wait for theirs. */
  readonly slots: HandshakeSlots;
  /** Called for a proxy that sends something else, or nothing in time; its connection is ended. */
  refused(peer: PeerInfo, error: Error): void;
}

function headOf({ timeoutMs, slots }: ProxyOptions): HeadOptions<ProxyHeader> {
  const read = (bytes: Uint8Array) => readProxyHeader(bytes.subarray(0, PROXY_HEADER_BYTES_MAX));
  return { what: "PROXY header", read, timeoutMs, slots };
}

/** The peer that a proxy speaks for. */
function behind({ source }: ProxyHeader, peer: PeerInfo): PeerInfo {
  const { address, port, transport } = peer;
  return source === undefined ? peer : { ...source, transport, proxy: { address, port } };
}

/** Waits for the header of one connection: calls, once, `done` with the peer behind the proxy and the bytes behind the header; or `end`, to end the connection. */
export function awaitProxyHeader(
  peer: PeerInfo,
  options: ProxyOptions,
  done: (peer: PeerInfo, rest: Uint8Array) => void,
  end: () => void,
): HeadWait<ProxyHeader> {
  return new HeadWait(
    headOf(options),
    (header, bytes) => done(behind(header, peer), new Uint8Array(bytes.subarray(header.length))),
    (error) => {
      end();
      options.refused(peer, error);
    },
  );
}

/** Accepts connections of proxies when their header has come, and all others at once. */
export function proxied(options: ProxyOptions, accept: Accept): Accept {
  return (transport, peer) => {
    if (!options.expects(peer.address)) return accept(transport, peer);
    new HeadTransport(transport, headOf(options), {
      headed(headed, header): number {
        const named = behind(header, peer);
        headed.peer = named;
        accept(headed, named);
        return header.length;
      },
      failed(headed, error): void {
        headed.abort();
        options.refused(peer, error);
      },
    });
  };
}
