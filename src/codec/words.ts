/**
 * §4.13 The faults of peers in words, by the rule that was broken. Apart from where they are found, so that a bundle which tells them by rule
 * has none of the texts.
 * Knows texts; refuses to know when a rule is broken.
 * @module
 */
import type { PeerError, Rule } from "./error.ts";

const WORDS: { readonly [R in Rule]?: string } = {
  "MQTT-1.5.4-1": "Ill-formed UTF-8",
  "MQTT-1.5.4-2": "U+0000 in a string",
  "MQTT-1.5.5-1": "Variable Byte Integer longer than needed",
  "1.5.5/fifth-byte": "Variable Byte Integer of more than four bytes",
  "2.1.2/reserved-type": "A packet type that is not in use at this level",
  "MQTT-2.1.3-1": "Fixed header flags that the packet does not have",
  "2.1.4/short": "The packet ends inside a field",
  "2.1.4/too-large": "A packet above our Maximum Packet Size",
  "2.1.4/trailing": "Bytes behind the packet's last field",
  "2.2.1/zero": "Packet Identifier 0",
  "2.2.2.1/past-end": "A property runs past the end of the properties",
  "2.4/reason-code": "A Connect Return code that does not exist",
  "3.1.0/direction": "A packet that is not for a Server to send",
  "3.1.2.11.10/no-method": "Authentication Data without Authentication Method",
  "MQTT-3.1.2-3": "Reserved bit of the Connect Flags",
  "MQTT-3.1.2-9": "CONNECT without the Will that its flags announce",
  "MQTT-3.1.2-11": "Will QoS without Will Flag",
  "MQTT-3.1.2-12": "Will QoS 3",
  "MQTT-3.1.2-13": "Will Retain without Will Flag",
  "MQTT311-3.1.2-22": "Password without User Name",
  "MQTT-3.1.3-3": "CONNECT without Client Identifier",
  "3.1.3.3/empty": "Empty Will Topic",
  "3.1.3.3/wildcard": "Wildcard in the Will Topic",
  "MQTT-3.2.0-1": "A packet before CONNACK",
  "MQTT-3.2.0-2": "A second CONNACK",
  "MQTT-3.2.2-1": "Reserved bits of the Connect Acknowledge Flags",
  "MQTT-3.2.2-4": "Session Present 1 after Clean Start 1",
  "MQTT-3.2.2-6": "CONNACK refuses, with Session Present 1",
  "MQTT-3.3.1-2": "DUP with QoS 0",
  "MQTT-3.3.1-4": "QoS 3",
  "3.3.2.1/no-topic": "Empty Topic Name without Topic Alias",
  "MQTT-3.3.2-2": "Wildcard in the Topic Name",
  "3.3.4/alias-above-maximum": "A Topic Alias above Topic Alias Maximum",
  "3.3.4/alias-unknown": "A Topic Alias without a topic",
  "3.3.4/receive-maximum": "More messages open than Receive Maximum",
  "MQTT-3.6.1-1": "Fixed header flags of PUBREL that are not 0010",
  "MQTT-3.8.1-1": "Fixed header flags of SUBSCRIBE that are not 0010",
  "MQTT-3.8.3-2": "SUBSCRIBE without Topic Filter",
  "3.8.3.1/qos-3": "Subscription with QoS 3",
  "3.8.3.1/retain-handling-3": "Subscription with Retain Handling 3",
  "MQTT-3.8.3-5": "Reserved bits of the Subscription Options",
  "MQTT-3.8.4-2": "SUBACK with a Packet Identifier under which no SUBSCRIBE is open",
  "MQTT-3.8.4-6": "SUBACK has not one code for each Topic Filter",
  "MQTT311-3.9.3-2": "A return code that SUBACK does not have",
  "MQTT-3.10.1-1": "Fixed header flags of UNSUBSCRIBE that are not 0010",
  "MQTT-3.10.3-2": "UNSUBSCRIBE without Topic Filter",
  "MQTT-3.10.4-5": "UNSUBACK with a Packet Identifier under which no UNSUBSCRIBE is open",
  "MQTT-3.11.3-1": "UNSUBACK has not one code for each Topic Filter",
  "MQTT-3.14.0-1": "DISCONNECT before CONNACK",
  "MQTT-3.14.1-1": "Fixed header flags of DISCONNECT that are not 0",
  "MQTT-3.15.1-1": "Fixed header flags of AUTH that are not 0",
  "MQTT-3.14.2-2": "DISCONNECT of a Server with a Session Expiry Interval",
  "3.15.2.2.2/no-method": "AUTH without Authentication Method",
  "MQTT-4.7.3-1": "Empty Topic Name or Topic Filter",
  "MQTT-4.12.0-5": "Not the Authentication Method of CONNECT",
  "4.12/not-under-way": "AUTH while no authentication goes on",
};

/** What was wrong, without the rule. */
export function wordsOf({ rule, message }: Pick<PeerError, "rule" | "message">): string {
  return message === rule ? WORDS[rule] ?? rule : message;
}
