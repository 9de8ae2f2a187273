// The Vercel AI SDK against a running drawplate; DRAWPLATE_BASE_URL names it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai';
import { z } from 'zod';

const provider = createOpenAICompatible({
  name: 'drawplate', baseURL: process.env.DRAWPLATE_BASE_URL, apiKey: 'any', supportsStructuredOutputs: true, includeUsage: true,
});
const model = provider('default');
const options = { model, temperature: 0, maxRetries: 0, maxOutputTokens: 200 };
// One call each: the SDK runs no calls of an answer that the token limit ended, and a small model would call for ever.
const once = { ...options, providerOptions: { drawplate: { parallel_tool_calls: false } } };
const Person = z.object({ name: z.string().max(30), age: z.number().int().min(0).max(120), mood: z.enum(['calm', 'angry']), nick: z.string().max(9).optional() });

function weather(asked) {
  return tool({
    description: 'The temperature in a city.',
    inputSchema: z.object({ city: z.enum(['Oslo', 'Rome']), days: z.number().int().min(1).max(3) }),
    execute: async (input) => { asked.push(input); return { degrees: 7 }; },
  });
}

function check(asked) {
  assert.ok(asked.length > 0);
  for (const { city, days } of asked) assert.ok(['Oslo', 'Rome'].includes(city) && days >= 1 && days <= 3);
}

test('generateObject gives what the schema says', async () => {
  const { object } = await generateObject({ ...options, schema: Person, prompt: 'Invent a person.' });
  Person.parse(object);
});

test('generateObject of an array and of an enumeration', async () => {
  const people = await generateObject({ ...options, maxOutputTokens: 400, output: 'array', schema: Person, prompt: 'Invent two people.' });
  assert.ok(people.object.every((person) => Person.safeParse(person).success));
  const mood = await generateObject({ ...options, output: 'enum', enum: ['calm', 'angry'], prompt: 'How are you?' });
  assert.ok(['calm', 'angry'].includes(mood.object));
});

test('streamObject grows to a valid object', async () => {
  const result = streamObject({ ...options, schema: Person, prompt: 'Invent a person.' });
  let n = 0;
  for await (const part of result.partialObjectStream) n += part ? 1 : 0;
  assert.ok(n > 1);
  Person.parse(await result.object);
});

test('generateText calls tools in each choice', async () => {
  for (const toolChoice of ['required', { type: 'tool', toolName: 'weather' }]) {
    const asked = [];
    const { toolCalls, toolResults } = await generateText({ ...once, tools: { weather: weather(asked) }, toolChoice, prompt: 'Weather in Oslo?' });
    check(asked);
    assert.equal(toolCalls.length, toolResults.length);
  }
  const asked = [];
  const { text } = await generateText({ ...options, maxOutputTokens: 20, tools: { weather: weather(asked) }, toolChoice: 'none', prompt: 'Weather in Oslo?' });
  assert.ok(text.length > 0 && asked.length === 0);
});

test('streamText calls, gives the result back, and goes on', async () => {
  const asked = [];
  const result = streamText({ ...once, tools: { weather: weather(asked) }, toolChoice: 'required', stopWhen: stepCountIs(2), prompt: 'Weather in Oslo?' });
  const kinds = new Set();
  for await (const part of result.fullStream) {
    kinds.add(part.type);
    assert.notEqual(part.type, 'error', String(part.error));
  }
  check(asked);
  assert.ok(kinds.has('tool-call') && kinds.has('tool-result'));
  assert.equal((await result.steps).length, 2);
});
