"""A server of the official MCP SDK gives drawplate its tools; DRAWPLATE names the program."""

import json
import os
import re
import subprocess
import sys
import unittest
import urllib.request

SERVER = """
import socket, sys
from typing import Literal
import uvicorn
from mcp.server import MCPServer

server = MCPServer("weather")

@server.tool()
def temperature(city: Literal["Oslo", "Rome"], days: int = 1) -> str:
    "The temperature in a city."
    return "7 degrees"

with socket.socket() as listener:
    listener.bind(("127.0.0.1", 0))
    # Before anybody is told of it: who connects too early waits, and is not refused.
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="error")).run(sockets=[listener])
"""


class Mcp(unittest.TestCase):
    def start(self, *command, pattern):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        for line in process.stdout:
            found = re.search(pattern, line)
            if found:
                return found[0]
        self.fail(f"{command[0]} ended")

    def test_its_tools_can_be_named(self):
        port = self.start(sys.executable, "-c", SERVER, pattern=r"^[0-9]+")
        url = self.start(
            os.environ["DRAWPLATE"], "serve", "--model", "fake", "--port", "0", "--registry", "none", "--mcp", f"http://127.0.0.1:{port}/mcp",
            pattern=r"http://[0-9.:]+/v1",
        )
        listed = json.load(urllib.request.urlopen(f"{url}/tools"))["data"]
        self.assertEqual([tool["name"] for tool in listed], ["temperature"])
        body = {"model": "default", "messages": [{"role": "user", "content": "Oslo?"}],
                "tools": [{"type": "registered", "name": "temperature"}], "tool_choice": "required"}
        request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
        call = json.load(urllib.request.urlopen(request))["choices"][0]["message"]["tool_calls"][0]
        self.assertIn(json.loads(call["function"]["arguments"])["city"], ("Oslo", "Rome"))


if __name__ == "__main__":
    unittest.main()
