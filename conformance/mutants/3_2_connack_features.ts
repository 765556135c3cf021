/**
 * Breaks of §3.2.2.3 in what is switched off: our broker offers all of it, so a proxy says that it does not.
 * @module
 */
import { disconnect, property, TYPE } from "../wire/bytes.ts";
import { told } from "./changed_connack.ts";
import type { Mutant } from "./mutant.ts";

/** For the cases of `cases/3_2_connack_features.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.2.2.3/maximum-qos-is-told",
    toAuditor: (raw) => [raw[0]! >> 4 === TYPE.PUBREC ? disconnect(0x9b, []) : raw],
  },
  told("3.2.2.3/maximum-qos-and-subscribe", property.maximumQos(0)),
  told("3.2.2.3/maximum-qos-and-will", property.maximumQos(1)),
  told("3.2.2.3/retain-not-available-and-will", property.retainAvailable(0)),
  told("3.2.2.3/wildcards-not-available", property.wildcardAvailable(0)),
  told("3.2.2.3/identifiers-not-available", property.identifiersAvailable(0)),
  told("3.2.2.3/shared-not-available", property.sharedAvailable(0)),
];
