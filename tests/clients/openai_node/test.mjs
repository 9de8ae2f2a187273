// The official Node SDK against a running drawplate; DRAWPLATE_BASE_URL names it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const client = new OpenAI({ baseURL: process.env.DRAWPLATE_BASE_URL, apiKey: 'anything', maxRetries: 0, timeout: 300_000 });
const model = (await client.models.list()).data[0].id;
const user = (content) => [{ role: 'user', content }];

const Person = z.object({
  name: z.string().max(30),
  age: z.number().int().min(0).max(120),
  mood: z.enum(['calm', 'angry']),
  nickname: z.string().max(20).nullable(),
});
const Weather = z.object({ city: z.enum(['Oslo', 'Rome']), days: z.number().int().min(1).max(5) });

test('create', async () => {
  const answer = await client.chat.completions.create({ model, messages: user('What is the capital of France?'), max_tokens: 30, temperature: 0 });
  assert.ok(answer.choices[0].message.content);
  assert.equal(answer.choices[0].message.tool_calls, undefined);
});

test('a stream is the plain answer', async () => {
  const body = { model, messages: user('Tell me a story.'), max_tokens: 30, seed: 3 };
  const plain = await client.chat.completions.create(body);
  const stream = await client.chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } });
  let text = '';
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, plain.choices[0].message.content);
  assert.equal(usage.completion_tokens, plain.usage.completion_tokens);
});

test('parse with zod', async () => {
  for (const temperature of [0, 1]) {
    const answer = await client.chat.completions.parse({
      model, messages: user('Invent a person.'), temperature, seed: 5, response_format: zodResponseFormat(Person, 'person'),
    });
    Person.parse(answer.choices[0].message.parsed);
  }
});

test('the stream helper parses with zod', async () => {
  const stream = client.chat.completions.stream({
    model, messages: user('Invent a person.'), temperature: 0, response_format: zodResponseFormat(Person, 'person'),
  });
  Person.parse((await stream.finalChatCompletion()).choices[0].message.parsed);
});

for (const stream of [false, true]) {
  test(`runTools calls the function and hands back its result${stream ? ', streamed' : ''}`, async () => {
    const seen = [];
    const weather = zodFunction({
      name: 'weather', description: 'Get the weather of a city.', parameters: Weather,
      function: (args) => { seen.push(Weather.parse(args)); return 'Rain, 7 degrees.'; },
    });
    const runner = client.chat.completions.runTools(
      { model, messages: user('What is the weather in Oslo?'), tools: [weather], tool_choice: 'required', parallel_tool_calls: false, temperature: 0, stream },
      { maxChatCompletions: 2 },
    );
    await runner.done();
    const roles = runner.messages.map((message) => message.role);
    assert.deepEqual(roles.slice(0, 4), ['user', 'assistant', 'tool', 'assistant']);
    assert.equal(seen.length, 2);
  });
}

test("errors become the SDK's classes", async () => {
  await assert.rejects(client.chat.completions.create({ model: 'nope', messages: user('x') }), OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create({ model, messages: user('x'), temperature: 3 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'temperature');
    assert.equal(error.code, 'decimal_above_max_value');
    return true;
  });
  const schema = { name: 's', schema: { type: 'object', properties: { a: { not: {} } }, required: ['a'] } };
  await assert.rejects(
    client.chat.completions.create({ model, messages: user('x'), stream: true, response_format: { type: 'json_schema', json_schema: schema } }),
    /\/properties\/a\/not/,
  );
});
