"""The official Python SDK against a running drawplate; DRAWPLATE_BASE_URL names it."""

import json
import re
import os
import unittest
from typing import Literal

import openai
from pydantic import BaseModel, Field

client = openai.OpenAI(base_url=os.environ["DRAWPLATE_BASE_URL"], api_key="anything", max_retries=0, timeout=300)
MODEL = client.models.list().data[0].id


class Person(BaseModel):
    name: str = Field(max_length=30)
    age: int = Field(ge=0, le=120)
    mood: Literal["calm", "angry"]
    friends: list[str] = Field(max_length=2)


class Weather(BaseModel):
    """Get the weather of a city."""

    city: Literal["Oslo", "Rome"]
    days: int = Field(ge=1, le=5)


def ask(text, **options):
    options.setdefault("temperature", 0)
    return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}], **options)


class Sdk(unittest.TestCase):
    def test_models(self):
        self.assertEqual(client.models.retrieve(MODEL).id, MODEL)

    def test_create(self):
        answer = ask("What is the capital of France?", max_tokens=30)
        self.assertTrue(answer.choices[0].message.content)
        self.assertIsNone(answer.choices[0].message.tool_calls)
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_several_choices_with_logprobs(self):
        answer = ask("Hi!", n=2, max_completion_tokens=5, logprobs=True, top_logprobs=2, seed=1, temperature=1)
        self.assertEqual([c.index for c in answer.choices], [0, 1])
        self.assertEqual(len(answer.choices[0].logprobs.content[0].top_logprobs), 2)

    def test_stream_is_the_plain_answer(self):
        plain = ask("Tell me a story.", max_tokens=30, seed=3, temperature=1)
        stream = ask("Tell me a story.", max_tokens=30, seed=3, temperature=1, stream=True, stream_options={"include_usage": True})
        chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertEqual(text, plain.choices[0].message.content)
        self.assertEqual(chunks[-1].usage.completion_tokens, plain.usage.completion_tokens)

    def test_parse_with_pydantic(self):
        for temperature in (0, 1):
            answer = client.chat.completions.parse(
                model=MODEL, messages=[{"role": "user", "content": "Invent a person."}],
                response_format=Person, temperature=temperature, seed=5)
            self.assertIsInstance(answer.choices[0].message.parsed, Person)

    def test_stream_helper_with_pydantic(self):
        with client.chat.completions.stream(
                model=MODEL, messages=[{"role": "user", "content": "Invent a person."}],
                response_format=Person, temperature=0) as stream:
            events = [event.type for event in stream]
            self.assertIsInstance(stream.get_final_completion().choices[0].message.parsed, Person)
        self.assertIn("content.done", events)

    def test_a_tool_loop_of_two_turns(self):
        tools = [openai.pydantic_function_tool(Weather)]
        messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
        first = client.chat.completions.parse(model=MODEL, messages=messages, tools=tools, tool_choice="required",
                                              parallel_tool_calls=False, temperature=0)
        message = first.choices[0].message
        self.assertEqual(first.choices[0].finish_reason, "tool_calls")
        self.assertIsInstance(message.tool_calls[0].function.parsed_arguments, Weather)
        messages += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Rain, 7 degrees."}]
        second = client.chat.completions.create(model=MODEL, messages=messages, tools=tools, tool_choice="none",
                                                temperature=0, max_tokens=40)
        self.assertTrue(second.choices[0].message.content)

    def test_streamed_tool_calls(self):
        tools = [openai.pydantic_function_tool(Weather)]
        choice = {"type": "function", "function": {"name": "Weather"}}
        with client.chat.completions.stream(model=MODEL, messages=[{"role": "user", "content": "Weather in Rome?"}],
                                            tools=tools, tool_choice=choice, temperature=0) as stream:
            kinds = {event.type for event in stream}
            message = stream.get_final_completion().choices[0].message
        self.assertIn("tool_calls.function.arguments.done", kinds)
        self.assertIsInstance(message.tool_calls[0].function.parsed_arguments, Weather)
        json.loads(message.tool_calls[0].function.arguments)

    def test_errors_become_the_sdks_exceptions(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="nope", messages=[{"role": "user", "content": "x"}])
        self.assertEqual(caught.exception.code, "model_not_found")
        with self.assertRaises(openai.BadRequestError) as caught:
            ask("x", temperature=3)
        self.assertEqual(caught.exception.param, "temperature")
        schema = {"name": "s", "schema": {"type": "object", "properties": {"a": {"not": {}}}, "required": ["a"]}}
        with self.assertRaises(openai.BadRequestError) as caught:
            ask("x", response_format={"type": "json_schema", "json_schema": schema}, stream=True)
        self.assertIn("/properties/a/not", str(caught.exception))
        self.assertTrue(caught.exception.request_id.startswith("req_"))
        with self.assertRaises(openai.BadRequestError) as caught:
            client.chat.completions.parse(model=MODEL, messages=[{"role": "user", "content": "x"}],
                                          response_format=Person, max_tokens=3)
        self.assertEqual(caught.exception.code, "max_tokens_too_small")
        # With just as many tokens as the shortest answer takes, the answer is brought to its end.
        n_needed = int(re.search(r"takes (\d+) tokens", str(caught.exception)).group(1))
        with self.assertRaises(openai.LengthFinishReasonError) as caught:
            client.chat.completions.parse(model=MODEL, messages=[{"role": "user", "content": "x"}],
                                          response_format=Person, max_tokens=n_needed)
        Person.model_validate_json(caught.exception.completion.choices[0].message.content)


if __name__ == "__main__":
    unittest.main(verbosity=2)
