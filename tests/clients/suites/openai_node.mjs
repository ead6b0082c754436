// `openai` for Node, current: texts, chats, streams, errors, retries.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import OpenAI from "openai";

import * as narrow from "./narrow.mjs";

const { SUITE_URL, SUITE_KEY, SUITE_SLOW_KEY } = process.env;
const ONE_TOO_MANY = 3; // for a key that is good for one request a minute, which may begin between two requests
const client = new OpenAI({ baseURL: `${SUITE_URL}/v1`, apiKey: SUITE_KEY, maxRetries: 0 });
const asked = { model: "demo", prompt: "Once upon a time", max_tokens: 12, seed: 7 };
const conversation = {
  model: "demo",
  messages: [
    { role: "system", content: "A traveller meets a fairy." },
    { role: "user", content: "Who are you?" },
  ],
  max_tokens: 12,
  seed: 7,
};

beforeEach(narrow.untilFree);

function patient(options = {}) {
  return new OpenAI({ baseURL: `${narrow.url}/v1`, apiKey: "none", ...options });
}

async function all(stream) {
  return await Array.fromAsync(await stream);
}

function joined(chunks, index = 0) {
  const choices = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index);
  return choices.map((choice) => choice.text ?? choice.delta.content ?? "").join("");
}

async function longStream(from) {
  return await from.completions.create({ ...asked, max_tokens: 900, ignore_eos: true, stream: true });
}

test("a whole reply has text, usage and a reason", async () => {
  const reply = await client.completions.create(asked);
  assert.equal(reply.object, "text_completion");
  assert.ok(reply.choices[0].text);
  assert.equal(reply.choices[0].finish_reason, "length");
  assert.deepEqual(reply.usage, { prompt_tokens: 4, completion_tokens: 12, total_tokens: 16 });
  assert.ok(reply._request_id);
});

test("a stream gives the same text in pieces and then its usage", async () => {
  const chunks = await all(client.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } }));
  const whole = await client.completions.create(asked);
  assert.ok(chunks.length > 3);
  assert.equal(joined(chunks), whole.choices[0].text);
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.completion_tokens, 12);
});

test("n texts differ, and a stream of n gives the same", async () => {
  const whole = await client.completions.create({ ...asked, n: 3 });
  const chunks = await all(client.completions.create({ ...asked, n: 3, stream: true }));
  const texts = whole.choices.map((choice) => choice.text);
  assert.equal(new Set(texts).size, 3);
  assert.deepEqual([0, 1, 2].map((index) => joined(chunks, index)), texts);
});

test("logprobs tell each token its place and the likeliest", async () => {
  const [choice] = (await client.completions.create({ ...asked, logprobs: 2, echo: true })).choices;
  const told = choice.logprobs;
  assert.equal(told.tokens.join(""), choice.text);
  assert.equal(told.token_logprobs[0], null);
  told.tokens.forEach((token, place) => assert.ok(choice.text.startsWith(token, told.text_offset[place])));
  assert.ok(told.top_logprobs.slice(1).every((top) => Object.keys(top).length >= 2));
});

test("the same seed gives the same text, and a stop string ends it", async () => {
  const texts = await Promise.all([1, 2, 3].map(() => client.completions.create({ ...asked, temperature: 1.2 })));
  assert.equal(new Set(texts.map((reply) => reply.choices[0].text)).size, 1);
  const whole = texts[0].choices[0].text;
  const stop = whole.slice(6, 10);
  const [cut] = (await client.completions.create({ ...asked, temperature: 1.2, stop })).choices;
  assert.equal(cut.text, whole.slice(0, whole.indexOf(stop)));
  assert.equal(cut.finish_reason, "stop");
});

test("a chat is answered by the assistant", async () => {
  const reply = await client.chat.completions.create(conversation);
  const { message } = reply.choices[0];
  assert.equal(message.role, "assistant");
  assert.equal(message.content, message.content.trimStart());
  assert.ok(message.content);
});

test("a streamed chat gives the same message, n of them too", async () => {
  const [first, second] = (await client.chat.completions.create({ ...conversation, n: 2 })).choices;
  const chunks = await all(client.chat.completions.create({ ...conversation, n: 2, stream: true }));
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.deepEqual([joined(chunks, 0), joined(chunks, 1)], [first.message.content, second.message.content]);
});

test("the client's own helper rebuilds a message from its stream", async () => {
  const whole = await client.chat.completions.create({ ...conversation, max_tokens: 200, stop: "." });
  const stream = client.chat.completions.stream({ ...conversation, max_tokens: 200, stop: "." });
  assert.equal(await stream.finalContent(), whole.choices[0].message.content);
});

test("logprobs of a chat have the shape of chats", async () => {
  const [choice] = (await client.chat.completions.create({ ...conversation, logprobs: true, top_logprobs: 2 })).choices;
  for (const token of choice.logprobs.content) {
    assert.equal(new TextDecoder().decode(new Uint8Array(token.bytes)), token.token);
    assert.equal(token.top_logprobs.length, 2);
  }
});

test("models are listed and told one by one, by an alias too", async () => {
  const models = await all(client.models.list());
  assert.ok(models.some((model) => model.id === "demo"));
  assert.equal((await client.models.retrieve("tales/old")).id, "demo");
});

test("each refusal has its class, code and field", async () => {
  const { create } = client.completions;
  const refused = [
    [OpenAI.NotFoundError, "model_not_found", "model", { model: "nobody" }],
    [OpenAI.BadRequestError, "invalid_parameter", "temperature", { temperature: 9 }],
    [OpenAI.BadRequestError, "unsupported_parameter", "suffix", { suffix: "The end." }],
    [OpenAI.BadRequestError, "unknown_parameter", "temprature", { temprature: 1 }],
    [OpenAI.BadRequestError, "context_length_exceeded", "max_tokens", { max_tokens: 4000, stream: true }],
  ];
  for (const [kind, code, param, more] of refused) {
    await assert.rejects(create.call(client.completions, { ...asked, ...more }), (error) => {
      assert.ok(error instanceof kind, `${error}`);
      assert.deepEqual([error.code, error.param], [code, param]);
      return Boolean(error.requestID);
    });
  }
});

test("a wrong key is an authentication error", async () => {
  const stranger = new OpenAI({ baseURL: `${SUITE_URL}/v1`, apiKey: "ink-wrong", maxRetries: 0 });
  await assert.rejects(stranger.completions.create(asked), OpenAI.AuthenticationError);
});

test("a client over its limit is told when to come back", async () => {
  const hasty = new OpenAI({ baseURL: `${SUITE_URL}/v1`, apiKey: SUITE_SLOW_KEY, maxRetries: 0 });
  const hurry = async () => {
    for (let count = 0; count < ONE_TOO_MANY; count++) await hasty.completions.create({ ...asked, max_tokens: 1 });
  };
  await assert.rejects(hurry(), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError, `${error}`);
    return Number(error.headers.get("retry-after")) > 0;
  });
});

test("a full service is tried again when it says", async () => {
  const seen = [];
  const noted = async (...values) => {
    const response = await fetch(...values);
    seen.push({ at: performance.now(), status: response.status, wait: response.headers.get("retry-after-ms") });
    return response;
  };
  await narrow.busyForAMoment();
  const reply = await patient({ fetch: noted }).completions.create({ ...asked, max_tokens: 4 });
  assert.ok(reply.choices[0].text);
  assert.deepEqual([seen[0].status, seen.at(-1).status], [429, 200]);
  assert.ok(seen[1].at - seen[0].at >= Number(seen[0].wait));
});

test("without retries a full service is a rate limit error", async () => {
  const end = await narrow.busy();
  try {
    await assert.rejects(patient({ maxRetries: 0 }).completions.create(asked), OpenAI.RateLimitError);
  } finally {
    end();
  }
});

test("a stream that is left frees its place at once", async () => {
  const stream = await longStream(patient({ maxRetries: 0 }));
  for await (const chunk of stream) {
    assert.ok(chunk.choices);
    assert.equal(await narrow.requests(), 1);
    break;
  }
  await narrow.untilFree();
});

test("a model that dies in the middle of a stream raises", async () => {
  const stream = await longStream(patient({ maxRetries: 0 }));
  const read = async () => {
    let killed = false;
    for await (const chunk of stream) {
      if (!killed && chunk.choices) narrow.killWorkers();
      killed = true;
    }
  };
  await assert.rejects(read(), (error) => error instanceof OpenAI.APIError && error.code === "worker_died");
});
