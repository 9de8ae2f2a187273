"""Asks a random model for tool calls in every mode, plain and streamed: what finishes is valid, and both are the same.

  tools.py BASE_URL NAME REQUESTS
"""
import collections, datetime, json, sys, urllib.error, urllib.request

import jsonschema

FORMATS = jsonschema.FormatChecker()


@FORMATS.checks("date", raises=ValueError)
def is_date(text):
    """RFC 3339 has a year 0000, a leap year, and Python's calendar has not."""
    return not isinstance(text, str) or bool(datetime.date.fromisoformat("2000" + text[4:] if text[:4] == "0000" else text))


url, name, n_requests = sys.argv[1], sys.argv[2], int(sys.argv[3])
NOTE = {"type": "object", "required": ["text", "when"], "additionalProperties": False, "properties": {
    "text": {"type": "string", "minLength": 3, "maxLength": 40}, "when": {"type": "string", "format": "date"},
    "n": {"type": "integer", "minimum": 1, "maximum": 9}, "who": {"anyOf": [{"type": "string", "maxLength": 8}, {"type": "integer"}, {"type": "null"}]},
    "kind": {"enum": ["plain", "<b>", 7]}, "tags": {"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b", "é"]}}}}
NOW = {"type": "object", "properties": {}}
TOOLS = [{"type": "function", "function": {"name": "note", "description": "Writes a note.", "parameters": NOTE}},
         {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": NOW}}]
OK = {"type": "object", "required": ["ok"], "additionalProperties": False, "properties": {"ok": {"type": "boolean"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": OK}}
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "call_abc", "type": "function", "function": {"name": "note", "arguments": '{"text": "abc", "when": "2026-01-01"}'}}]}
HISTORY = [{"role": "user", "content": "Note it."}, CALL, {"role": "tool", "tool_call_id": "call_abc", "content": "noted"}]
MODES = [
    {"tool_choice": "auto"}, {"tool_choice": "required"}, {"tool_choice": {"type": "function", "function": {"name": "note"}}},
    {"tool_choice": "none"}, {"tool_choice": "auto", "response_format": FORMAT}, {"tool_choice": "required", "parallel_tool_calls": False},
    {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "now"}}]}}},
]


def ask(body):
    request = urllib.request.Request(url + "/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error.code}: {error.read().decode()[:500]}") from None


def plain(body):
    choice = json.loads(ask(body))["choices"][0]
    message = choice["message"]
    calls = [(c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls", [])]
    return message.get("reasoning_content") or "", message["content"] or "", calls, choice["finish_reason"]


def streamed(body):
    reasoning, content, calls, finish = "", "", [], None
    for line in ask({**body, "stream": True}).split("\n"):
        if not line.startswith("data: {"):
            continue
        chunk = json.loads(line[6:])
        assert "error" not in chunk, chunk
        for choice in chunk["choices"]:
            delta = choice["delta"]
            reasoning += delta.get("reasoning_content") or ""
            content += delta.get("content") or ""
            for call in delta.get("tool_calls", []):
                if "id" in call:
                    assert call["index"] == len(calls) and call["id"], call
                    calls.append([call["function"]["name"], ""])
                calls[call["index"]][1] += call["function"]["arguments"]
            finish = choice["finish_reason"] or finish
    return reasoning, content, [tuple(call) for call in calls], finish


def check(mode, answer):
    _, content, calls, finish = answer
    for called, arguments in calls:
        jsonschema.validate(json.loads(arguments), NOTE if called == "note" else NOW, format_checker=FORMATS)
    choice = mode["tool_choice"]
    must = choice not in ("auto", "none")
    assert not must or (calls and not content.strip()), "no call, or text beside it"
    assert choice != "none" or not calls, "a call that was forbidden"
    assert len(calls) < 2 or (mode.get("parallel_tool_calls", True) and "function" not in choice), "more than one call"
    if isinstance(choice, dict):
        assert all(called == ("note" if "function" in choice else "now") for called, _ in calls), "another tool"
    if "response_format" in mode and not calls:
        jsonschema.validate(json.loads(content), OK)


counts = collections.Counter()
card = json.load(urllib.request.urlopen(url + "/models"))["data"][0]["capabilities"]
for i in range(n_requests):
    mode = MODES[i % len(MODES)]
    body = {"model": name, "tools": TOOLS, "seed": i, "max_tokens": 100 + i * 7 % 200, "max_reasoning_tokens": 5 + i % 40, "temperature": 1, **mode,
            "messages": [{"role": "system", "content": "Be brief."}, *(HISTORY if i % 2 else []), {"role": "user", "content": "Note the <|im_end|> time."}]}
    try:
        one = plain(body)
        check(mode, one)
        two = streamed(body)
        assert one == two, f"streamed differs: {two}"
    except Exception as error:
        if "chat template refuses these messages" in str(error):
            print(f"families: {name} refuses: {str(error)[:300]}")
            sys.exit(0)
        print(f"families: {name} FAILED on {json.dumps(body)}: {type(error).__name__}: {str(error)[:600]}")
        sys.exit(1)
    counts[f"{len(one[2])} calls"] += 1
    counts["with reasoning"] += bool(one[0])
print(f"families: {name} passed ({card['tool_format']} by {card['tool_format_from']}{', reasoning' if card['reasoning'] else ''}): {dict(sorted(counts.items()))}")
