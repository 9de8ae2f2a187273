"""LiteLLM against a running drawplate, through each of its providers that speak OpenAI's API; DRAWPLATE_BASE_URL names it."""

import json
import os
import unittest
from typing import Literal

# Before the import: it would fetch a list of prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from pydantic import BaseModel, Field

litellm.telemetry = False
litellm.suppress_debug_info = True
PROVIDERS = ("openai", "lm_studio", "hosted_vllm")


class Person(BaseModel):
    name: str = Field(max_length=30)
    age: int = Field(ge=0, le=120)
    mood: Literal["calm", "angry"]


TOOLS = [{"type": "function", "function": {"name": "temperature", "description": "The temperature in a city.", "parameters": {
    "type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"], "additionalProperties": False}}}]


def ask(provider, text, **options):
    return litellm.completion(
        model=f"{provider}/default", api_base=os.environ["DRAWPLATE_BASE_URL"], api_key="any", temperature=0, timeout=300,
        num_retries=0, max_tokens=options.pop("max_tokens", 300), messages=[{"role": "user", "content": text}], **options,
    )


class LiteLlm(unittest.TestCase):
    def test_a_response_format_binds(self):
        for provider in PROVIDERS:
            with self.subTest(provider):
                Person.model_validate_json(ask(provider, "Invent a person.", response_format=Person).choices[0].message.content)

    def test_tools_are_called_plain_and_streamed(self):
        for provider in PROVIDERS:
            with self.subTest(provider):
                options = {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}
                plain = ask(provider, "Weather in Oslo?", **options)
                self.assertEqual(plain.choices[0].finish_reason, "tool_calls")
                arguments = plain.choices[0].message.tool_calls[0].function.arguments
                self.assertIn(json.loads(arguments)["city"], ("Oslo", "Rome"))
                chunks = list(ask(provider, "Weather in Oslo?", stream=True, **options))
                built = litellm.stream_chunk_builder(chunks)
                self.assertEqual(built.choices[0].message.tool_calls[0].function.arguments, arguments)
                self.assertEqual(built.choices[0].finish_reason, "tool_calls")

    def test_a_result_goes_back(self):
        call = ask("openai", "Weather in Oslo?", tools=TOOLS, tool_choice="required", parallel_tool_calls=False).choices[0].message
        messages = [{"role": "user", "content": "Weather in Oslo?"}, call, {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "7 degrees"}]
        answer = litellm.completion(
            model="openai/default", api_base=os.environ["DRAWPLATE_BASE_URL"], api_key="any", messages=messages, tools=TOOLS,
            tool_choice="none", max_tokens=30, temperature=0,
        )
        self.assertTrue(answer.choices[0].message.content)


if __name__ == "__main__":
    unittest.main()
