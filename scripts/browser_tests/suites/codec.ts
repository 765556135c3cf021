/**
 * All tests of the codec but the comparison with npm's mqtt-packet, which is a program for Node.
 * Knows their files; refuses to know what is in them.
 * @module
 */
import "../../../src/codec/acknowledgement_test.ts";
import "../../../src/codec/auth_test.ts";
import "../../../src/codec/connack_test.ts";
import "../../../src/codec/connect_test.ts";
import "../../../src/codec/copy_test.ts";
import "../../../src/codec/data_representation_test.ts";
import "../../../src/codec/deframer_test.ts";
import "../../../src/codec/disconnect_test.ts";
import "../../../src/codec/error_test.ts";
import "../../../src/codec/first_byte_test.ts";
import "../../../src/codec/mend_test.ts";
import "../../../src/codec/packet_test.ts";
import "../../../src/codec/ping_test.ts";
import "../../../src/codec/property_test.ts";
import "../../../src/codec/publish_template_test.ts";
import "../../../src/codec/publish_test.ts";
import "../../../src/codec/publish_view_test.ts";
import "../../../src/codec/reason_code_test.ts";
import "../../../src/codec/suback_test.ts";
import "../../../src/codec/subscribe_test.ts";
import "../../../src/codec/unsuback_test.ts";
import "../../../src/codec/unsubscribe_test.ts";
