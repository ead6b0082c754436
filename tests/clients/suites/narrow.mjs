// A server that takes one request at a time and asks for no key, and the means to keep it busy or to hurt it.

import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

const LIMIT_MS = 20_000;
const FREE_AFTER_MS = 400;

export const url = process.env.SUITE_NARROW_URL;

export async function requests() {
  const response = await fetch(`${url}/readyz`);
  return (await response.json()).requests;
}

export async function untilFree() {
  const deadline = Date.now() + LIMIT_MS;
  while (await requests()) {
    if (Date.now() > deadline) throw new Error("the request was never ended");
    await sleep(20);
  }
}

// Its only place is taken; gives what frees it again.
export async function busy() {
  const abort = new AbortController();
  const body = JSON.stringify({ prompt: "Once upon a time", max_tokens: 900, ignore_eos: true, stream: true });
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${url}/v1/completions`, { method: "POST", headers, body, signal: abort.signal });
  if (!response.ok) throw new Error(await response.text());
  await response.body.getReader().read();
  return () => abort.abort();
}

// The same, and the place is given back while the caller goes on.
export async function busyForAMoment() {
  const end = await busy();
  setTimeout(end, FREE_AFTER_MS);
}

export function killWorkers() {
  const [program, ...values] = JSON.parse(process.env.SUITE_KILL_COMMAND);
  execFileSync(program, values, { timeout: LIMIT_MS });
}
