/**
 * §2.1.2 and §2.1.3: the packet types and the fixed header flags each must carry.
 * Knows the first byte of a packet; refuses to know what follows it.
 * @module
 */

/** §2.1.2 MQTT Control Packet type, the high nibble of the first byte. */
export const PacketType = {
  CONNECT: 1,
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  PUBREC: 5,
  PUBREL: 6,
  PUBCOMP: 7,
  SUBSCRIBE: 8,
  SUBACK: 9,
  UNSUBSCRIBE: 10,
  UNSUBACK: 11,
  PINGREQ: 12,
  PINGRESP: 13,
  DISCONNECT: 14,
  AUTH: 15,
} as const;
/** §2.1.2 the number of a packet type, 1 to 15. */
export type PacketType = typeof PacketType[keyof typeof PacketType];
