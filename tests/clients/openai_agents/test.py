"""The OpenAI Agents SDK against a running drawplate; DRAWPLATE_BASE_URL names it."""

import asyncio
import os
import unittest
from typing import Annotated, Literal

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI
from pydantic import BaseModel, Field

set_tracing_disabled(True)


class Report(BaseModel):
    city: Literal["Oslo", "Rome"]
    degrees: int = Field(ge=-60, le=60)
    advice: str = Field(max_length=40)


def model():
    client = AsyncOpenAI(base_url=os.environ["DRAWPLATE_BASE_URL"], api_key="any", max_retries=0, timeout=300)
    return OpenAIChatCompletionsModel(model="default", openai_client=client)


class Agents(unittest.TestCase):
    def setUp(self):
        self.asked = []

        # Why once: a small model would call for ever.
        @function_tool(is_enabled=lambda context, agent: not self.asked)
        def temperature(city: Literal["Oslo", "Rome"], days: Annotated[int, Field(ge=1, le=3)]) -> str:
            """The temperature in a city."""
            self.asked.append((city, days))
            return "It is 7 degrees."

        self.tool = temperature

    def check_calls(self):
        self.assertTrue(self.asked)
        for city, days in self.asked:
            self.assertIn(city, ("Oslo", "Rome"))
            self.assertIn(days, (1, 2, 3))

    def agent(self, **options):
        settings = ModelSettings(temperature=0, tool_choice="required", parallel_tool_calls=False, max_tokens=120)
        return Agent(name="Weather", instructions="You answer about the weather.", model=model(), model_settings=settings, **options)

    def test_an_output_type_binds_the_answer(self):
        agent = Agent(name="Weather", model=model(), model_settings=ModelSettings(temperature=0), output_type=Report)
        result = Runner.run_sync(agent, "How is the weather in Oslo?")
        self.assertIsInstance(result.final_output, Report)

    def test_a_forced_call_runs_the_tool(self):
        agent = self.agent(tools=[self.tool], tool_use_behavior="stop_on_first_tool")
        result = Runner.run_sync(agent, "How is the weather in Oslo?")
        self.assertEqual(result.final_output, "It is 7 degrees.")
        self.check_calls()

    def test_a_loop_ends_in_the_output_type(self):
        """Tools and a response format in the same request: the model calls first, then answers in the schema."""
        agent = self.agent(tools=[self.tool], output_type=Report)
        result = Runner.run_sync(agent, "How is the weather in Oslo?", max_turns=4)
        self.assertIsInstance(result.final_output, Report)
        self.check_calls()

    def test_a_streamed_loop_says_the_same(self):
        async def streamed():
            result = Runner.run_streamed(self.agent(tools=[self.tool], output_type=Report), "How is the weather in Oslo?", max_turns=4)
            kinds = [event.type async for event in result.stream_events()]
            return result.final_output, kinds

        output, kinds = asyncio.run(streamed())
        self.assertIsInstance(output, Report)
        self.assertIn("raw_response_event", kinds)
        self.check_calls()


if __name__ == "__main__":
    unittest.main()
