"""Asks a random model for tool calls in every mode, plain and streamed: what finishes is valid, and both are the same.

  tools.py BASE_URL NAME REQUESTS
"""
import collections, datetime, json, re, sys, urllib.error, urllib.request

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
CODE = [{"type": "custom", "custom": {"name": "code", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-z]{2,6}"}}}},
        {"type": "custom", "custom": {"name": "sum", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: /[0-9]{1,3}/ ("+" /[0-9]{1,3}/)*'}}}}]
INPUTS = {"code": r"[a-z]{2,6}", "sum": r"[0-9]{1,3}(\+[0-9]{1,3})*"}


def named(kind, name):
    return {"type": kind, kind: {"name": name}}


def allowed(mode, name):
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [named("function", name)]}}


# What the request says, which calls there may be (all, if nothing is said), and whether there must be one.
MODES = [
    ({"tool_choice": "auto"}, None, False), ({"tool_choice": "required"}, None, True), ({"tool_choice": named("function", "note")}, {"note"}, True),
    ({"tool_choice": "none"}, set(), False), ({"tool_choice": "auto", "response_format": FORMAT}, None, False),
    ({"tool_choice": "required", "parallel_tool_calls": False}, None, True), ({"tool_choice": allowed("required", "now")}, {"now"}, True),
    ({"tool_choice": allowed("auto", "now")}, {"now"}, False), ({"tool_choice": "auto", "n": 2}, None, False),
    ({"tools": None, "functions": [tool["function"] for tool in TOOLS], "function_call": {"name": "note"}}, {"note"}, True),
    ({"tools": [*TOOLS, *CODE], "tool_choice": named("custom", "code")}, {"code"}, True),
    ({"tools": [*TOOLS, *CODE], "tool_choice": named("custom", "sum")}, {"sum"}, True),
]


def ask(body):
    request = urllib.request.Request(url + "/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error.code}: {error.read().decode()[:500]}") from None


def plain(body):
    """Of each choice: thought, content, calls as pairs, and why it ended."""
    answers = []
    for choice in json.loads(ask(body))["choices"]:
        message = choice["message"]
        calls = [(c[c["type"]]["name"], c[c["type"]]["arguments" if c["type"] == "function" else "input"]) for c in message.get("tool_calls", [])]
        older = message.get("function_call")
        calls += [(older["name"], older["arguments"])] if older else []
        ids = [call["id"] for call in message.get("tool_calls", [])]
        assert len(set(ids)) == len(ids) and all(ids), ids
        answers.append((message.get("reasoning_content") or "", message["content"] or "", calls, choice["finish_reason"]))
    return answers


def streamed(body):
    answers = [["", "", [], None] for _ in range(body.get("n", 1))]
    for line in ask({**body, "stream": True}).split("\n"):
        if not line.startswith("data: {"):
            continue
        chunk = json.loads(line[6:])
        assert "error" not in chunk, chunk
        for choice in chunk["choices"]:
            answer, delta = answers[choice["index"]], choice["delta"]
            answer[0] += delta.get("reasoning_content") or ""
            answer[1] += delta.get("content") or ""
            for call in delta.get("tool_calls", []):
                said = call.get("function") or call.get("custom")
                if "id" in call:
                    assert call["index"] == len(answer[2]) and call["id"], call
                    answer[2].append([said["name"], ""])
                answer[2][call["index"]][1] += said.get("arguments") or said.get("input") or ""
            if older := delta.get("function_call"):
                answer[2] += [] if answer[2] else [["", ""]]
                answer[2][0][0] += older.get("name") or ""
                answer[2][0][1] += older.get("arguments") or ""
            answer[3] = choice["finish_reason"] or answer[3]
    return [(thought, content, [tuple(call) for call in calls], finish) for thought, content, calls, finish in answers]


def check(body, only, must, answer):
    _, content, calls, finish = answer
    for called, said in calls:
        assert only is None or called in only, "a call that was forbidden"
        if called in INPUTS:
            assert re.fullmatch(INPUTS[called], said), said
        else:
            jsonschema.validate(json.loads(said), NOTE if called == "note" else NOW, format_checker=FORMATS)
    assert not must or (calls and not content.strip()), "no call, or text beside it"
    is_one = not body.get("parallel_tool_calls", True) or "functions" in body or "name" in str(body.get("tool_choice")) and "allowed" not in str(body.get("tool_choice"))
    assert len(calls) < 2 or not is_one, "more than one call"
    if "response_format" in body and not calls:
        jsonschema.validate(json.loads(content), OK)


counts = collections.Counter()
card = json.load(urllib.request.urlopen(url + "/models"))["data"][0]["capabilities"]
for i in range(n_requests):
    mode, only, must = MODES[i % len(MODES)]
    body = {"model": name, "tools": TOOLS, "seed": i, "max_tokens": 150 + i * 7 % 200, "max_reasoning_tokens": 5 + i % 40, "temperature": 1, **mode,
            "messages": [{"role": "system", "content": "Be brief."}, *(HISTORY if i % 2 else []), {"role": "user", "content": "Note the <|im_end|> time."}]}
    try:
        body = {key: value for key, value in body.items() if value is not None}
        answers = plain(body)
        for one in answers:
            check(body, only, must, one)
        two = streamed(body)
        assert answers == two, f"streamed differs: {two}"
    except Exception as error:
        if "chat template refuses these messages" in str(error):
            print(f"families: {name} refuses: {str(error)[:300]}")
            sys.exit(0)
        print(f"families: {name} FAILED on {json.dumps(body)}: {type(error).__name__}: {str(error)[:600]}")
        sys.exit(1)
    for thought, _, calls, _ in answers:
        counts[f"{len(calls)} calls"] += 1
        counts["with reasoning"] += bool(thought)
print(f"families: {name} passed ({card['tool_format']} by {card['tool_format_from']}{', reasoning' if card['reasoning'] else ''}): {dict(sorted(counts.items()))}")
