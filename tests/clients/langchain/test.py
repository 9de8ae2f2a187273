"""LangChain against a running drawplate; DRAWPLATE_BASE_URL names it."""

import os
import unittest
from typing import Literal

from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field


class Person(BaseModel):
    """A person."""

    name: str = Field(max_length=30)
    age: int = Field(ge=0, le=120)
    mood: Literal["calm", "angry"]


@tool
def temperature(city: Literal["Oslo", "Rome"], days: int) -> str:
    """The temperature in a city."""
    return f"It is {days} degrees in {city}."


def model(**options):
    return ChatOpenAI(
        base_url=os.environ["DRAWPLATE_BASE_URL"], api_key="any", model="default", temperature=0, max_retries=0, timeout=300, **options
    )


class LangChain(unittest.TestCase):
    def test_structured_output_in_each_way(self):
        for method in ("json_schema", "function_calling"):
            with self.subTest(method):
                person = model().with_structured_output(Person, method=method).invoke("Invent a person.")
                self.assertIsInstance(person, Person)
        raw = model().with_structured_output(Person, method="json_schema", include_raw=True).invoke("Invent a person.")
        self.assertIsNone(raw["parsing_error"])

    def test_structured_output_of_a_plain_schema(self):
        schema = {"title": "count", "type": "object", "properties": {"n": {"type": "integer", "minimum": 3, "maximum": 5}}, "required": ["n"]}
        count = model().with_structured_output(schema, method="json_schema").invoke("Count.")
        self.assertIn(count["n"], (3, 4, 5))

    def test_streamed_structured_output_grows_to_the_plain_one(self):
        plain = model().with_structured_output(Person).invoke("Invent a person.")
        parts = list(model().with_structured_output(Person).stream("Invent a person."))
        self.assertEqual(parts[-1], plain)

    def test_bound_tools_in_each_choice(self):
        for choice in ("any", "required", "temperature", True):
            with self.subTest(choice):
                message = model().bind_tools([temperature], tool_choice=choice).invoke("Weather in Oslo?")
                self.assertEqual(message.invalid_tool_calls, [])
                self.assertEqual(message.tool_calls[0]["name"], "temperature")
                self.assertIn(message.tool_calls[0]["args"]["city"], ("Oslo", "Rome"))
        message = model().bind_tools([temperature], tool_choice="none").invoke("Weather in Oslo?", max_tokens=20)
        self.assertEqual(message.tool_calls, [])

    def test_streamed_calls_add_up_to_the_plain_ones(self):
        bound = model().bind_tools([temperature], tool_choice="any", parallel_tool_calls=False)
        plain = bound.invoke("Weather in Oslo?")
        whole = None
        for chunk in bound.stream("Weather in Oslo?"):
            whole = chunk if whole is None else whole + chunk
        self.assertEqual([call["args"] for call in whole.tool_calls], [call["args"] for call in plain.tool_calls])

    def test_results_go_back(self):
        bound = model(max_tokens=40).bind_tools([temperature], tool_choice="any", parallel_tool_calls=False)
        history = [HumanMessage("Weather in Oslo?")]
        call = bound.invoke(history)
        history += [call, ToolMessage(temperature.invoke(call.tool_calls[0]["args"]), tool_call_id=call.tool_calls[0]["id"])]
        self.assertTrue(model(max_tokens=40).bind_tools([temperature], tool_choice="none").invoke(history).content)

    def test_agents_call_and_answer_in_their_format(self):
        one = {"parallel_tool_calls": False}
        for strategy in (ToolStrategy(Person), ProviderStrategy(Person)):
            with self.subTest(type(strategy).__name__):
                options = {"model_kwargs": one} if isinstance(strategy, ToolStrategy) else {}
                agent = create_agent(model(max_tokens=200, **options), tools=[], response_format=strategy)
                answer = agent.invoke({"messages": [HumanMessage("Who lives in Oslo?")]})
                self.assertIsInstance(answer["structured_response"], Person)
        # Why the tool ends it: a small model would call for ever.
        last = tool(return_direct=True)(temperature.func)
        forced = model(max_tokens=200, model_kwargs={"tool_choice": "required", **one})
        answer = create_agent(forced, tools=[last]).invoke({"messages": [HumanMessage("Weather in Oslo?")]})
        self.assertIn("degrees in", answer["messages"][-1].content)


if __name__ == "__main__":
    unittest.main()
