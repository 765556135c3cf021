/**
 * Several Clients of our broker at random, under virtual time.
 * Knows the file; refuses to know what is in it.
 * @module
 */
import "../../../src/broker/simulation_test.ts";
