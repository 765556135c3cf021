/**
 * Our Client against two Servers at random, under virtual time.
 * Knows the file; refuses to know what is in it.
 * @module
 */
import "../../../src/client/simulation_test.ts";
