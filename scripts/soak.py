#!/usr/bin/env python3
"""The load of scripts/soak, which starts the server: bound and free, streamed and plain, with clients that hang up at random.

Every finished bound answer is parsed and held against its schema, and the resident memory of PID is noted every ten seconds,
without the cells of earlier prompts: their cache has a budget of its own (--prefix-cache-mib) and fills up to it.
Prints one line a minute; exits with 1 if an answer was wrong or memory grew.
"""
import argparse, json, pathlib, random, re, socket, statistics, sys, threading, time, urllib.error, urllib.parse, urllib.request
import jsonschema

parser = argparse.ArgumentParser()
parser.add_argument("url"); parser.add_argument("--minutes", type=float, default=30); parser.add_argument("--pid", type=int, required=True)
parser.add_argument("--clients", type=int, default=6)
args = parser.parse_args()
root = pathlib.Path(__file__).resolve().parent.parent
schemas = [json.loads(path.read_text()) for path in sorted((root / "benches/schemas").glob("*.json"))]
schemas += [{"type": "array", "items": {"enum": ["a", "b", "c", "d"]}, "uniqueItems": True, "minItems": 2},
            {"type": "object", "required": ["when"], "additionalProperties": False, "properties": {"when": {"type": "string", "format": "date"}}}]
end = time.time() + args.minutes * 60
count = {"valid": 0, "free": 0, "hung up": 0, "busy": 0}
wrong, memory, lock = [], [], threading.Lock()


def note(what):
    with lock:
        count[what] += 1


def body(rng):
    schema = rng.choice([None, *schemas])
    words = rng.choices("river stone lamp green seven under walks about quick paper table light".split(), k=rng.choice([3, 20, 200]))
    request = {"model": "default", "messages": [{"role": "user", "content": " ".join(words)}], "max_tokens": rng.choice([250, 400]),
               "temperature": rng.choice([0, 0.8, 1.3]), "stream": rng.random() < 0.5}
    if rng.random() < 0.2:
        request["top_p"] = 0.9
    if schema:
        request["response_format"] = {"type": "json_schema", "json_schema": {"name": "soak", "schema": schema}}
    return schema, request


def client(seed):
    rng = random.Random(seed)
    while time.time() < end:
        schema, request = body(rng)
        hangs_up = rng.random() < 0.25
        try:
            answer = urllib.request.urlopen(urllib.request.Request(args.url + "/v1/chat/completions", json.dumps(request).encode(),
                                            {"content-type": "application/json"}), timeout=rng.uniform(0.05, 3) if hangs_up else 300)
            if hangs_up and request["stream"]:
                answer.read(rng.randrange(1, 2000)); answer.close(); note("hung up"); continue
            text, finish = "", None
            if request["stream"]:
                for line in answer:
                    if line.startswith(b"data: {"):
                        chunk = json.loads(line[6:])
                        if "error" in chunk:
                            raise ValueError(chunk)
                        for choice in chunk["choices"]:
                            text += choice["delta"].get("content") or ""
                            finish = choice["finish_reason"] or finish
            else:
                choice = json.load(answer)["choices"][0]
                text, finish = choice["message"]["content"], choice["finish_reason"]
            if not schema:
                note("free"); continue
            jsonschema.validate(json.loads(text), schema, format_checker=jsonschema.FormatChecker())
            note("valid")
        except urllib.error.HTTPError as error:
            if error.code == 429: note("busy")
            else: wrong.append(f"HTTP {error.code}: {error.read()[:300]} for {json.dumps(request)[:300]}")
        except (TimeoutError, socket.timeout, ConnectionError, urllib.error.URLError) as error:
            if hangs_up: note("hung up")
            else: wrong.append(f"{error!r} for {json.dumps(request)[:300]}")
        except Exception as error:
            wrong.append(f"{error!r}: {text[:300]}")


threads = [threading.Thread(target=client, args=(seed,)) for seed in range(args.clients)]
[thread.start() for thread in threads]
started = last = time.time()
while any(thread.is_alive() for thread in threads):
    time.sleep(10)
    try:
        status = pathlib.Path(f"/proc/{args.pid}/status").read_text()
    except OSError:
        sys.exit("the server is gone")
    metrics = urllib.request.urlopen(f"{args.url}/metrics", timeout=60).read().decode()
    kept = float(re.search(r"^drawplate_prefix_cache_bytes (\S+)$", metrics, re.M).group(1)) / 2**20
    memory.append((time.time() - started, int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024 - kept))
    if time.time() - last > 60:
        last = time.time()
        print(f"{(last - started) / 60:5.1f} min  {memory[-1][1]:.0f} MiB and {kept:.0f} kept  {count}  wrong {len(wrong)}", flush=True)
[print("WRONG", line) for line in wrong[:10]]
# The first fifth warms caches up to their bounds.
half = [m for t, m in memory if t > memory[-1][0] * 0.2]
early, late = statistics.median(half[: len(half) // 4]), statistics.median(half[-(len(half) // 4):])
print(f"memory: median {early:.0f} MiB early, {late:.0f} MiB late, most {max(m for _, m in memory):.0f} MiB; {count}; wrong {len(wrong)}")
sys.exit(bool(wrong) or late > early * 1.05 + 5)
