/**
 * A program that opens a login chain and decides one login, for tests of the permissions that it needs: prints the Reason Code.
 * Knows its arguments: options and request as JSON; refuses to know which permissions it has.
 * @module
 */
import process from "node:process";
import { openLogin } from "../login/mod.ts";
import { loginRequest } from "./login.ts";

const [options = "", request = ""] = process.argv.slice(2);
const login = await openLogin(JSON.parse(options));
const { code } = await login.authenticate(loginRequest(JSON.parse(request)));
await login.close();
process.stdout.write(`code ${code}\n`);
