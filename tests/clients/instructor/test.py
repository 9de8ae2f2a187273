"""instructor against a running drawplate; DRAWPLATE_BASE_URL names it."""

import os
import unittest
from typing import Literal

import instructor
from openai import OpenAI
from pydantic import BaseModel, Field


class Person(BaseModel):
    name: str = Field(max_length=30)
    age: int = Field(ge=0, le=120)
    mood: Literal["calm", "angry"]


def client(mode):
    openai = OpenAI(base_url=os.environ["DRAWPLATE_BASE_URL"], api_key="any", max_retries=0, timeout=300)
    return instructor.from_openai(openai, mode=mode)


ASK = {"model": "default", "temperature": 0, "max_tokens": 300, "messages": [{"role": "user", "content": "Invent a person."}]}


class Instructor(unittest.TestCase):
    def test_each_mode_gives_a_person_at_once(self):
        for mode in (instructor.Mode.TOOLS, instructor.Mode.TOOLS_STRICT, instructor.Mode.JSON_SCHEMA):
            with self.subTest(mode.name):
                # No second try: the first answer has the shape.
                person = client(mode).chat.completions.create(response_model=Person, max_retries=0, **ASK)
                self.assertIsInstance(person, Person)

    def test_json_mode_gives_an_object(self):
        """In this mode the schema is in the prompt alone; the server knows only that an object is wanted."""

        class Anything(BaseModel, extra="allow"):
            pass

        self.assertIsInstance(client(instructor.Mode.JSON).chat.completions.create(response_model=Anything, max_retries=0, **ASK), Anything)

    def test_a_list_of_people(self):
        class People(BaseModel, extra="forbid"):
            people: list[Person] = Field(min_length=1, max_length=3)

        people = client(instructor.Mode.TOOLS).chat.completions.create(response_model=People, max_retries=0, **ASK).people
        self.assertTrue(all(isinstance(person, Person) for person in people))

    def test_a_partial_grows(self):
        parts = list(client(instructor.Mode.JSON_SCHEMA).chat.completions.create_partial(response_model=Person, max_retries=0, **ASK))
        self.assertTrue(len(parts) > 1)
        Person.model_validate(parts[-1].model_dump())


if __name__ == "__main__":
    unittest.main()
