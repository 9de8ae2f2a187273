"""pydantic-ai against a running drawplate; DRAWPLATE_BASE_URL names it."""

import asyncio
import os
import unittest
from typing import Literal

from pydantic import BaseModel, Field
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import UsageLimits


class Person(BaseModel):
    name: str = Field(max_length=30)
    age: int = Field(ge=0, le=120)
    mood: Literal["calm", "angry"]


def agent(**options):
    provider = OpenAIProvider(base_url=os.environ["DRAWPLATE_BASE_URL"], api_key="any")
    options.setdefault("model_settings", ModelSettings(temperature=0, max_tokens=200, parallel_tool_calls=False))
    return Agent(OpenAIChatModel("default", provider=provider), **options)


class PydanticAi(unittest.TestCase):
    def test_each_kind_of_output(self):
        for kind in (ToolOutput(Person), NativeOutput(Person)):
            with self.subTest(type(kind).__name__):
                self.assertIsInstance(agent(output_type=kind).run_sync("Invent a person.").output, Person)

    def test_prompted_output_is_json(self):
        """The schema is in the prompt alone; the server knows only that an object is wanted."""

        class Anything(BaseModel, extra="allow"):
            pass

        output = agent(output_type=PromptedOutput(Anything), retries=0).run_sync("Invent a person.").output
        self.assertIsInstance(output, Anything)

    def test_one_of_several_outputs(self):
        class Animal(BaseModel):
            legs: int = Field(ge=0, le=8)

        output = agent(output_type=[Person, Animal]).run_sync("Invent a person or an animal.").output
        self.assertIsInstance(output, (Person, Animal))

    def test_a_tool_is_called_and_the_answer_has_its_type(self):
        asked = []
        weather = agent(output_type=ToolOutput(Person), instructions="Call temperature first.")

        # Why once: a small model would call for ever.
        async def once(context, definition):
            return None if asked else definition

        @weather.tool_plain(prepare=once)
        def temperature(city: Literal["Oslo", "Rome"]) -> str:
            """The temperature in a city."""
            asked.append(city)
            return "7 degrees"

        result = weather.run_sync("Who is in Oslo?", usage_limits=UsageLimits(request_limit=4))
        self.assertIsInstance(result.output, Person)
        self.assertTrue(all(city in ("Oslo", "Rome") for city in asked))

    def test_streamed_output_grows_to_a_valid_one(self):
        async def stream():
            async with agent(output_type=NativeOutput(Person)).run_stream("Invent a person.") as result:
                return [part async for part in result.stream_output(debounce_by=None)]

        self.assertIsInstance(asyncio.run(stream())[-1], Person)


if __name__ == "__main__":
    unittest.main()
