//! `drawplate serve`: model, engine, server, in that order.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::chat_template::{Own, templates};
use super::schema_file::load_store;
use super::{UsageError, definitions, hub, mcp};
use crate::api::{ApiOptions, AppState, ModelInfo, router};
use crate::chat::Templates;
use crate::config::{ModelSource, ServeArgs};
use crate::engine::{EngineHandle, EngineOptions, FakeBackend, FakeMode, Limits, Tuning, fake_vocab};
use crate::generation::{Generator, GeneratorOptions};
use crate::grammar::{Budget, Compiler, Vocab};
use crate::registry::Registry;
use crate::{schema, telemetry};

/// Context per request if the user does not say: enough for most, small enough for laptops.
const DEFAULT_CTX: usize = 4096;
/// How long running answers may take after Ctrl-C.
const GRACE: Duration = Duration::from_secs(10);

/// A model that is loaded and running.
struct Loaded {
    engine: EngineHandle,
    thread: std::thread::JoinHandle<()>,
    vocab: Arc<Vocab>,
    templates: Templates,
    name: String,
    created: u64,
}

/// Serves until Ctrl-C, or until the engine fails.
pub(super) fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    telemetry::init(&args.log, args.log_format);
    // Why: the port is taken before the model is loaded, so that a port in use is known at once.
    let address = SocketAddr::new(args.host, args.port);
    let listener = std::net::TcpListener::bind(address)
        .map_err(|e| UsageError(format!("cannot listen on {address}: {e}; choose another with --port")))?;
    let loaded = match args.model_source().map_err(|e| UsageError(e.to_string()))? {
        ModelSource::Fake => load_fake(args)?,
        ModelSource::Path(path) => load_file(args, &path)?,
        ModelSource::Hub { repo, file } => load_file(args, &hub::fetch(&repo, &file)?)?,
    };
    let Loaded { engine, thread, vocab, templates, name, created } = loaded;
    let template = &templates.with_tools().template;
    let from = if template.tools().is_native() { "its chat template" } else { "a description in the prompt" };
    tracing::info!(format = template.tools().family.name, "tools are shown to the model by {from}");
    let store = load_store(args.schemas.as_deref())?;
    let budget = Budget { time: Duration::from_secs_f64(args.schema_time), ..Budget::default() };
    let compiler = Compiler::new(&vocab, budget)?;
    let options = GeneratorOptions {
        limits: schema::Limits { max_bytes: args.max_schema_bytes, ..schema::Limits::default() },
        shows_schema: !args.no_schema_in_prompt,
        closes: !args.no_close,
        deadline: args.deadline.map(Duration::from_secs_f64),
        store,
        ..GeneratorOptions::default()
    };
    let generator = Arc::new(Generator::new(vocab, templates, compiler, engine.clone(), options));
    let state = AppState::new(
        generator,
        ModelInfo { id: args.alias.clone().unwrap_or(name), created, aliases: vec!["default".to_owned()] },
        ApiOptions {
            reject_unknown_fields: args.reject_unknown_fields,
            named_call_finishes_as_tool_calls: args.named_call_finishes_as_tool_calls,
            any_model_name: args.any_model_name,
        },
        open_registry(args)?,
    );
    let state = Arc::new(state);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Why: the model takes the cores; each token is little work here, and threads that wake each other are more.
        .worker_threads(std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2)))
        // Why: finished answers are judged on these threads, by schemas from strangers.
        .thread_stack_size(crate::guard::STACK_BYTES)
        .build()
        .context("no async runtime")?;
    runtime.block_on(async {
        definitions::register_all(&state, args.tools.as_deref()).await?;
        for url in &args.mcp {
            mcp::register_all(&state, url).await?;
        }
        run(listener, state, engine, thread).await
    })
}

fn open_registry(args: &ServeArgs) -> anyhow::Result<Registry> {
    Ok(match args.registry_file().map_err(|e| UsageError(e.to_string()))? {
        None => Registry::in_memory()?,
        Some(path) => Registry::open(&path).map_err(|e| UsageError(format!("--registry {}: {e}", path.display())))?,
    })
}

async fn run(
    listener: std::net::TcpListener,
    state: Arc<AppState>,
    engine: EngineHandle,
    thread: std::thread::JoinHandle<()>,
) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    let (dead, is_dead) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _joined = thread.join();
        let _gone = dead.send(());
    });
    let model = state.model.id.clone();
    tokio::task::spawn_blocking(move || announce(address, &model));
    let stopping = engine.clone();
    let server = axum::serve(listener, router(state)).with_graceful_shutdown(async move {
        asked_to_stop().await;
        eprintln!("stopping: running answers have {} seconds", GRACE.as_secs());
        stopping.shut_down(Instant::now() + GRACE);
        // Why: idle keep-alive connections would hold the server; after the grace nothing is worth waiting for.
        tokio::spawn(async {
            tokio::time::sleep(GRACE + Duration::from_secs(5)).await;
            std::process::exit(0);
        });
    });
    let mut is_dead = is_dead;
    tokio::select! {
        result = server => {
            result.context("the server failed")?;
            // Why: a GPU's driver goes with the process, and the engine must have freed what it has there before.
            let _joined = is_dead.await;
            Ok(())
        }
        _ = &mut is_dead => {
            // Let handlers tell their clients.
            tokio::time::sleep(Duration::from_millis(500)).await;
            if engine.is_stopping() { Ok(()) } else { anyhow::bail!("the engine has failed; see the log above") }
        }
    }
}

async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(_) => return drop(interrupt.await),
        };
        tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}

/// Says how to reach the server, once it really answers.
fn announce(address: SocketAddr, model: &str) {
    let reachable =
        if address.ip().is_unspecified() { SocketAddr::new([127, 0, 0, 1].into(), address.port()) } else { address };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !answers(reachable) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let base = format!("http://{reachable}/v1");
    let text = format!(
        "\ndrawplate serves {model}\n  base URL  {base}\n  API key   any\n\nTry it:\n\ncurl {base}/chat/completions -H 'content-type: application/json' -d '{}'\n",
        serde_json::json!({
            "model": model,
            "messages": [{"role": "user", "content": "Invent a person."}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 40}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
                "required": ["name", "age"], "additionalProperties": false
            }}}
        })
    );
    let _closed = writeln!(std::io::stdout(), "{text}");
}

fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let _set = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut answer = [0u8; 12];
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && &answer == b"HTTP/1.1 200"
}

fn engine_options(args: &ServeArgs) -> EngineOptions {
    let tuning = Tuning {
        speculates: !args.no_speculation,
        forces: !args.no_forced_tokens,
        prefix_cache_bytes: args.prefix_cache_mib.saturating_mul(1 << 20),
    };
    EngineOptions { n_queue: usize::from(args.queue), tuning }
}

fn limits(args: &ServeArgs, n_ctx_train: usize) -> Limits {
    Limits {
        n_slots: usize::from(args.slots),
        n_batch: args.batch as usize,
        n_ctx: args.ctx.map_or(n_ctx_train.min(DEFAULT_CTX), |ctx| ctx as usize),
    }
}

fn load_fake(args: &ServeArgs) -> anyhow::Result<Loaded> {
    eprintln!("model: none; answers are random, in the right shape");
    let vocab = Arc::new(fake_vocab()?);
    let limits = limits(args, DEFAULT_CTX);
    let backend_vocab = Arc::clone(&vocab);
    let backend = move || Ok(FakeBackend::new(limits, FakeMode::Random, backend_vocab, Duration::from_millis(1)));
    let options = engine_options(args);
    let (engine, thread) = EngineHandle::spawn(backend, Arc::clone(&vocab), options)?;
    let templates = templates(args, Own { ends: ("", "<|im_end|>"), ..Own::default() }, &vocab)?;
    Ok(Loaded { engine, thread, vocab, templates, name: "fake".into(), created: 0 })
}

#[cfg(not(feature = "llama"))]
fn load_file(_args: &ServeArgs, path: &Path) -> anyhow::Result<Loaded> {
    let name = path.display();
    Err(UsageError(format!(
        "cannot load '{name}': this build has no llama.cpp (feature 'llama'); only --model fake works"
    ))
    .into())
}

#[cfg(feature = "llama")]
fn load_file(args: &ServeArgs, path: &Path) -> anyhow::Result<Loaded> {
    use crate::engine::llama::{LlamaFile, LlamaOptions, devices};
    use crate::engine::{Drafter, Placement};

    let started = Instant::now();
    eprintln!("model: loading {}", path.display());
    let bar = indicatif::ProgressBar::new(100);
    let progress = bar.clone();
    let placement = Placement {
        gpu_layers: args.gpu_layers,
        devices: args.devices.clone(),
        tensor_split: args.tensor_split.clone(),
        cuda_graphs: args.cuda_graphs,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share between 0 and 1")]
    let loaded =
        LlamaFile::load(path, &placement, move |share| progress.set_position((share.clamp(0.0, 1.0) * 100.0) as u64));
    bar.finish_and_clear();
    let mut file = loaded.map_err(|e| UsageError(e.to_string()))?;
    let limits = limits(args, file.n_ctx_train);
    let vocab = Arc::new(file.take_vocab());
    let n_threads = args.threads.map_or_else(default_threads, usize::from);
    let options = engine_options(args);
    let make_device = file.device(LlamaOptions { limits, n_threads, draw_on: args.draw_on, kv_cells: args.kv_cells });
    let make_drafter = match &args.draft {
        Some(path) => Some(load_draft(path, &placement, &vocab)?.drafter(limits, n_threads)),
        None => None,
    };
    let make = move || {
        let drafter = make_drafter.map(|make| make()).transpose()?;
        Ok((make_device()?, drafter.map(|drafter| -> Box<dyn Drafter> { Box::new(drafter) })))
    };
    let (engine, thread) = EngineHandle::spawn_with(make, Arc::clone(&vocab), options)
        .map_err(|e| UsageError(format!("cannot serve '{}': {e}", path.display())))?;
    let own = Own {
        usual: file.chat_template.as_deref(),
        with_tools: file.tool_template.as_deref(),
        ends: (&file.bos_text, &file.eos_text),
        adds_bos: file.adds_bos,
    };
    let templates = templates(args, own, &vocab)?;
    eprintln!(
        "model: loaded in {:.1} s; {} slots with {} tokens of context each, {n_threads} threads",
        started.elapsed().as_secs_f64(),
        limits.n_slots,
        limits.n_ctx
    );
    devices().iter().for_each(|device| tracing::info!("device {device}"));
    let name = path.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy().into_owned());
    let modified = std::fs::metadata(path).and_then(|m| m.modified()).ok();
    let created = modified.and_then(|m| m.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |d| d.as_secs());
    Ok(Loaded { engine, thread, vocab, templates, name, created })
}

/// Loads the model that proposes tokens. Its tokens must be those of the large one.
#[cfg(feature = "llama")]
fn load_draft(
    path: &Path,
    placement: &crate::engine::Placement,
    vocab: &Vocab,
) -> anyhow::Result<crate::engine::llama::LlamaFile> {
    let mut file = crate::engine::llama::LlamaFile::load(path, placement, |_| ())
        .map_err(|e| UsageError(format!("--draft: {e}")))?;
    let own = file.take_vocab();
    let (n_own, n_large) = (own.n_tokens(), vocab.n_tokens());
    let n_shared = u32::try_from(n_own.min(n_large)).unwrap_or(u32::MAX);
    // Why: large models pad their vocabulary, so sizes may differ; a token that both have must be the same.
    if let Some(token) = (0..n_shared).find(|token| own.bytes(*token) != vocab.bytes(*token)) {
        return Err(UsageError(format!(
            "--draft '{}': its vocabulary is another one: token {token} differs; take a smaller model of the same family",
            path.display()
        ))
        .into());
    }
    Ok(file)
}

#[cfg(feature = "llama")]
fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
