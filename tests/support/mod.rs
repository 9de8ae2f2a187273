//! What tests share: a server in this process, requests, and reading streams.

pub(crate) mod binary;
pub(crate) mod formats;
pub(crate) mod schemas;
pub(crate) mod strategies;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use drawplate::api::{ApiOptions, AppState, ModelInfo, router};
use drawplate::chat::{ChatTemplate, Templates, ToolSupport};
use drawplate::engine::{EngineHandle, EngineOptions, Event, FakeBackend, FakeMode, Job, Limits, Sampling, fake_vocab};
use drawplate::generation::{Generator, GeneratorOptions};
use drawplate::grammar::{Budget, Compiled, Compiler, Spec, TokenId, Vocab};
use drawplate::registry::Registry;
use drawplate::schema::Document;
use drawplate::tools::format::Family;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Waits until no other test works with the real model: two at once on few cores wait for each other's threads most of
/// the time.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A job for an engine that is stepped by hand, its seed the prompt's length, and where its events come.
pub(crate) fn job(
    prompt: Vec<TokenId>,
    grammar: Option<Arc<Compiled>>,
    max_tokens: usize,
) -> (Job, mpsc::Receiver<Event>) {
    let (events, receiver) = mpsc::channel(max_tokens + 4);
    let sampling = Sampling { seed: prompt.len() as u64, ..Sampling::default() };
    let job = Job {
        prompt: prompt.into(),
        grammar,
        free: None,
        sampling,
        max_tokens,
        closes: false,
        logprobs: None,
        events,
        submitted: Instant::now(),
        deadline: None,
        thinking: None,
        permit: None,
    };
    (job, receiver)
}

/// The grammar of one schema.
pub(crate) fn grammar(vocab: &Vocab, schema: Value) -> Arc<Compiled> {
    let document = Document::parse(schema, drawplate::schema::Limits::default()).unwrap();
    let spec = Spec::value(Arc::new(document));
    Compiler::new(vocab, Budget::default()).unwrap().compile(&spec).unwrap()
}

/// The real model's path, or none; says so once.
pub(crate) fn model_path() -> Option<String> {
    static PATH: OnceLock<Option<String>> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = std::env::var("DRAWPLATE_TEST_MODEL").ok().filter(|p| !p.is_empty());
        if path.is_none() {
            eprintln!("skipped: tests with a real model need DRAWPLATE_TEST_MODEL; `make test` sets it");
        }
        path
    })
    .clone()
}

/// How a test's server is set up.
pub(crate) struct Setup {
    pub(crate) mode: FakeMode,
    pub(crate) limits: Limits,
    pub(crate) n_queue: usize,
    pub(crate) step_time: Duration,
    pub(crate) api: ApiOptions,
    pub(crate) generator: GeneratorOptions,
    pub(crate) template: Option<&'static str>,
    /// The one for conversations with tools.
    pub(crate) tool_template: Option<&'static str>,
    /// The format of calls that the prompt teaches, by its name.
    pub(crate) taught: Option<&'static str>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            mode: FakeMode::Random,
            limits: Limits { n_slots: 4, n_batch: 256, n_ctx: 4096 },
            n_queue: 256,
            step_time: Duration::ZERO,
            api: ApiOptions::default(),
            generator: GeneratorOptions::default(),
            template: None,
            tool_template: None,
            taught: None,
        }
    }
}

impl Setup {
    pub(crate) fn scripted(text: &str) -> Self {
        Self { mode: FakeMode::Scripted(text.to_owned()), ..Self::default() }
    }
}

/// A server on a free port; it ends with the process.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) engine: EngineHandle,
}

impl TestServer {
    /// Starts a server with the fake model.
    pub(crate) fn start(setup: Setup) -> Self {
        drawplate::telemetry::init("error", Default::default());
        let vocab = Arc::new(fake_vocab().unwrap());
        let backend_vocab = Arc::clone(&vocab);
        let Setup { mode, limits, n_queue, step_time, api, generator, template, tool_template, taught } = setup;
        let backend = move || Ok(FakeBackend::new(limits, mode, backend_vocab, step_time));
        let (engine, _) =
            EngineHandle::spawn(backend, Arc::clone(&vocab), EngineOptions { n_queue, ..EngineOptions::default() })
                .unwrap();
        let compiled = |source| ChatTemplate::new(source, ("", "<|im_end|>"), false, vocab.control_names()).unwrap();
        let with_tools = tool_template.map(|source| compiled(Some(source)));
        let family = taught.map(|name| Family::all().iter().find(|family| family.name == name).cloned().unwrap());
        let usual = compiled(template);
        let usual = match family {
            Some(family) => usual.with_tools(ToolSupport::taught(family)),
            None => usual,
        };
        let templates = Templates::new(usual, with_tools, &vocab);
        Self::serve(engine, vocab, templates, api, generator, "fake")
    }

    pub(crate) fn serve(
        engine: EngineHandle,
        vocab: Arc<Vocab>,
        templates: Templates,
        api: ApiOptions,
        options: GeneratorOptions,
        model: &str,
    ) -> Self {
        let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
        let generator = Arc::new(Generator::new(Arc::clone(&vocab), templates, compiler, engine.clone(), options));
        let model = ModelInfo { id: model.to_owned(), created: 0, aliases: vec!["default".into(), "a/b:c@d".into()] };
        let state = Arc::new(AppState::new(generator, model, api, Registry::in_memory().unwrap()));
        Self { address: serve_router(router(state)), engine }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends `body` to the chat endpoint.
    pub(crate) fn chat(&self, body: &Value) -> Answer {
        send(&self.url("/v1/chat/completions"), body.to_string().as_bytes())
    }

    /// Asks what must be refused, with the field at fault and a message that holds `words`.
    pub(crate) fn refuses(&self, body: &Value, param: &str, words: &str) {
        let answer = self.chat(body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        assert_eq!(answer.body["error"]["param"], param, "{body}: {}", answer.body);
        assert!(answer.body["error"]["message"].as_str().unwrap().contains(words), "{body}: {}", answer.body);
    }

    /// Sends `body` with `stream: true`; returns all chunks. The stream must end with `[DONE]`.
    pub(crate) fn stream(&self, body: &Value) -> Vec<Value> {
        let (chunks, done) = self.stream_raw(body);
        assert!(done, "the stream did not end with [DONE]: {chunks:?}");
        chunks
    }

    pub(crate) fn stream_raw(&self, body: &Value) -> (Vec<Value>, bool) {
        let mut body = body.clone();
        body["stream"] = json!(true);
        let response = agent().post(self.url("/v1/chat/completions")).send(body.to_string()).unwrap();
        assert_eq!(response.status(), 200, "{body}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut chunks = Vec::new();
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.unwrap();
            match line.strip_prefix("data: ") {
                Some("[DONE]") => return (chunks, true),
                Some(data) => chunks.push(serde_json::from_str(data).unwrap()),
                None => assert!(line.is_empty() || line.starts_with(':'), "not SSE: {line}"),
            }
        }
        (chunks, false)
    }
}

/// Serves `router` on a free port, until the process ends.
pub(crate) fn serve_router(router: axum::Router) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    address
}

/// An answer of any status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn content(&self) -> &str {
        self.body["choices"][0]["message"]["content"].as_str().unwrap_or_else(|| panic!("no content: {}", self.body))
    }

    pub(crate) fn finish_reason(&self) -> &str {
        self.body["choices"][0]["finish_reason"].as_str().unwrap_or_else(|| panic!("no finish: {}", self.body))
    }
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(300)))
        .build()
        .into()
}

pub(crate) fn send(url: &str, body: &[u8]) -> Answer {
    read(agent().post(url).header("content-type", "application/json").send(body).unwrap())
}

/// Deletes what is at `url`.
pub(crate) fn delete(url: &str) -> Answer {
    read(agent().delete(url).call().unwrap())
}

pub(crate) fn get(url: &str) -> Answer {
    read(agent().get(url).call().unwrap())
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let headers = response.headers().iter();
    let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned())).collect();
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

/// A chat body with one user message.
pub(crate) fn chat_body(extra: Value) -> Value {
    let mut body = json!({"model": "default", "messages": [{"role": "user", "content": "Hello."}], "seed": 7});
    for (key, value) in extra.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// A chat body bound to `schema`.
pub(crate) fn bound_body(schema: Value, extra: Value) -> Value {
    let mut body = chat_body(extra);
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "test", "schema": schema}});
    body
}

/// Puts a stream's chunks together: content, calls (id, name, arguments) and finish reason of choice `index`.
pub(crate) fn fold(chunks: &[Value], index: u64) -> (String, Vec<(String, String, String)>, Option<String>) {
    let (mut content, mut calls, mut finish) = (String::new(), Vec::<(String, String, String)>::new(), None);
    for choice in chunks.iter().filter_map(|c| c["choices"].as_array()).flatten().filter(|c| c["index"] == index) {
        content.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let at = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if at == calls.len() {
                assert_eq!(call["type"], "function");
                let name = call["function"]["name"].as_str().unwrap();
                calls.push((call["id"].as_str().unwrap().to_owned(), name.to_owned(), String::new()));
            } else {
                let keys: Vec<&String> = call.as_object().unwrap().keys().collect();
                assert_eq!(keys, ["index", "function"], "later pieces carry only arguments");
            }
            calls[at].2.push_str(call["function"]["arguments"].as_str().unwrap());
        }
        finish = finish.or(choice["finish_reason"].as_str().map(str::to_owned));
    }
    (content, calls, finish)
}
