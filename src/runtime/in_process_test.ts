/**
 * Connections inside one process: the contract of all transports, and a Client of a broker without a socket.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket, PacketType } from "../codec/mod.ts";
import { serve } from "../server/serve.ts";
import { pairContract, Recorder } from "../testing/transport_contract.ts";
import { patient, until } from "../testing/patience.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import { inProcess, messagePortTransport, type PortLike } from "./in_process.ts";

function ports(): readonly [Transport, Transport] {
  const { port1, port2 } = new MessageChannel();
  return [messagePortTransport(port1 as PortLike), messagePortTransport(port2 as PortLike)];
}

for (const [name, make] of [["in one process", inProcess], ["MessagePort", ports]] as const) {
  pairContract(name, make);

  describe(`Server.accept() and a Client: ${name}`, () => {
    test("is a connection like any other, until either side ends it", patient, async () => {
      const peers: PeerInfo[] = [];
      const server = await serve({ listen: [], hooks: { connected: ({ peer }) => void peers.push(peer) } });
      const [theirs, ours] = make();
      server.accept(theirs);
      const client = new Recorder(ours);
      ours.write(
        encodePacket(
          { type: PacketType.CONNECT, level: 4, cleanStart: true, keepAlive: 0, clientId: "in" },
          4,
        ),
      );
      await until(() => client.length >= 4, "CONNACK");
      assertEquals([...client.bytes], [0x20, 2, 0, 0]);
      assertEquals(peers, [{ address: "", port: 0, transport: "memory" }]);
      await server.close();
      await until(() => client.closes.length === 1, "the end");
      assert(client.closes[0] === undefined);
    });
  });
}
