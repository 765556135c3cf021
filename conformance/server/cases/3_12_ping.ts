/**
 * §3.12 PINGREQ, §3.13 PINGRESP: what a Server under audit must do.
 * @module
 */
import { packet, pingreq, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { check } from "../../verdict.ts";

/** Cases of §3.12. */
export const CASES: readonly ServerCase[] = serverCases("3.12", {
  "answered": {
    statements: ["MQTT-3.12.4-1", "MQTT311-3.12.4-1"],
    levels: [4, 5],
    does: "Sends PINGREQ three times in one chunk.",
    requires: "Three PINGRESP packets of two bytes.",
    async run(t) {
      const peer = await t.connect();
      peer.send(pingreq(), pingreq(), pingreq());
      for (let i = 0; i < 3; i++) {
        const pingresp = await peer.expect(TYPE.PINGRESP);
        check(pingresp.raw.length === 2, `PINGRESP has ${pingresp.raw.length} bytes`);
      }
    },
  },
  "reserved-flags": {
    statements: ["MQTT-2.1.3-1", "MQTT311-2.2.2-1", "MQTT311-2.2.2-2"],
    levels: [4, 5],
    does: "Sends PINGREQ with flags 0001.",
    requires: "The connection is closed{5|; DISCONNECT 0x81 may say why}.",
    async run(t) {
      const peer = await t.connect();
      peer.send(packet(TYPE.PINGREQ, 1));
      await peer.refused([0x81]);
    },
  },
});
