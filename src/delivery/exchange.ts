/**
 * §4.3.2, §4.3.3 The effect of an acknowledgement on an exchange, on the side that sent the PUBLISH.
 * Knows the steps; refuses to know Client and Server, and answers.
 * @module
 */
import { type Sender, Step } from "./sender.ts";

/** The effect of an acknowledgement. */
export const Outcome = {
  /** No exchange waits for it: nothing is changed. */
  STRAY: 0,
  /** The exchange is over: its identifier is free. */
  ENDED: 1,
  /** QoS 2: the receiver owns the message, and PUBREL is due. */
  RELEASED: 2,
  /** QoS 2: the same once more; PUBREL is due again. */
  REPEATED: 3,
} as const;
/** A value of `Outcome`. */
export type Outcome = typeof Outcome[keyof typeof Outcome];

/** §3.4 the receiver has a QoS 1 message, or refuses it. */
export function puback<D>(sender: Sender<D>, id: number): Outcome {
  const step = sender.step(id);
  if (step !== Step.PUBACK && step !== Step.RESEND_1) return Outcome.STRAY;
  sender.end(id);
  return Outcome.ENDED;
}

/** §3.5 the receiver has a QoS 2 message, or refuses it with a Reason Code of 0x80 or above. */
export function pubrec<D>(sender: Sender<D>, id: number, code: number): Outcome {
  const step = sender.step(id);
  if (step === Step.PUBCOMP) return Outcome.REPEATED;
  if (step !== Step.PUBREC && step !== Step.RESEND_2) return Outcome.STRAY;
  if (code >= 0x80) { // [MQTT-4.4.0-2] [MQTT-4.8.2-6]
    sender.end(id);
    return Outcome.ENDED;
  }
  sender.advance(id, Step.PUBCOMP, sender.item(id));
  return Outcome.RELEASED;
}

/** §3.7 the receiver has ended a QoS 2 exchange. */
export function pubcomp<D>(sender: Sender<D>, id: number): Outcome {
  if (sender.step(id) !== Step.PUBCOMP) return Outcome.STRAY;
  sender.end(id);
  return Outcome.ENDED;
}
