//! Joins model, template, grammars and engine: prepares requests off the async threads and starts them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::output::Answer;
use super::prepare::{Model, PrepareError, Prepared, prepare};
use super::request::Request;
use crate::chat::Templates;
use crate::engine::{Busy, EngineHandle, Job};
use crate::grammar::{Compiler, STACK_BYTES, TokenId, Vocab};
use crate::schema::{Limits, Store};
use crate::tools::format::{Family, ToolFormat};

/// How many times its budget of processor time a request is waited for.
const PATIENCE: u32 = 5;

/// How requests are prepared.
#[derive(Clone, Debug)]
pub struct GeneratorOptions {
    /// Bounds on schemas.
    pub limits: Limits,
    /// Whether the model is shown the answer's schema.
    pub shows_schema: bool,
    /// Requests prepared at once.
    pub n_preparing: usize,
    /// Whether a bound answer is brought to a valid end before its tokens run out.
    pub closes: bool,
    /// How long an answer may take, its wait for a slot included.
    pub deadline: Option<Duration>,
    /// Documents that schemas may refer to.
    pub store: Arc<Store>,
}

impl Default for GeneratorOptions {
    fn default() -> Self {
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            limits: Limits::default(),
            shows_schema: true,
            // Why: each thread keeps the memory of the largest schema that it has seen.
            n_preparing: n_cores.clamp(2, 8),
            closes: true,
            deadline: None,
            store: Store::empty(),
        }
    }
}

/// Why a prepared request was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The queue is full.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The request asks for more choices than the engine ever takes at once.
    #[error("{n} choices are more than the {capacity} that can be generated at once")]
    TooManyChoices {
        /// Asked for.
        n: usize,
        /// Possible.
        capacity: usize,
    },
    /// The engine has ended.
    #[error("the engine has stopped")]
    Stopped,
}

/// Everything between an endpoint and the engine; shared by all requests.
pub struct Generator {
    vocab: Arc<Vocab>,
    templates: Templates,
    /// The format of calls that the prompt can teach.
    generic: Arc<ToolFormat>,
    pub(super) compiler: Compiler,
    engine: EngineHandle,
    pub(super) options: GeneratorOptions,
    /// Threads with the stack that strangers' schemas may take, and a place for each.
    pool: rayon::ThreadPool,
    preparing: Arc<Semaphore>,
}

impl Generator {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        vocab: Arc<Vocab>,
        templates: Templates,
        compiler: Compiler,
        engine: EngineHandle,
        options: GeneratorOptions,
    ) -> Self {
        let n_preparing = options.n_preparing.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_preparing)
            .stack_size(STACK_BYTES)
            .thread_name(|i| format!("prepare-{i}"))
            .build()
            .expect("threads can be started");
        let preparing = Arc::new(Semaphore::new(n_preparing));
        let generic = Arc::new(ToolFormat::new(Family::generic(), &vocab));
        Self { vocab, templates, generic, compiler, engine, options, pool, preparing }
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &EngineHandle {
        &self.engine
    }

    /// The vocabulary.
    #[must_use]
    pub fn vocab(&self) -> &Arc<Vocab> {
        &self.vocab
    }

    /// The model's chat templates.
    #[must_use]
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// Prepares `request` on a thread of the pool, few at once, for as long as the budget allows.
    ///
    /// # Errors
    /// With what is wrong with the request.
    pub async fn prepare(self: &Arc<Self>, request: Request) -> Result<Prepared, PrepareError> {
        self.off_thread("preparing the request", PrepareError::TooSlow, move |this| prepare(request, &this.model()))
            .await
    }

    /// Runs `work` on a thread of the pool, few at once, and waits as long as the budget allows. `what` is being done;
    /// `late` says that it took too long.
    pub(super) async fn off_thread<T: Send + 'static>(
        self: &Arc<Self>,
        what: &str,
        late: impl FnOnce(Duration) -> PrepareError,
        work: impl FnOnce(&Self) -> Result<T, PrepareError> + Send + 'static,
    ) -> Result<T, PrepareError> {
        // Why: the budget is processor time, and beside other load that takes longer.
        let time = self.compiler.budget().time * PATIENCE;
        let waited = tokio::time::timeout(time, Arc::clone(&self.preparing).acquire_owned()).await;
        let permit = waited.map_err(|_| PrepareError::Busy)?.expect("the semaphore is never closed");
        let this = Arc::clone(self);
        let (done, result) = oneshot::channel();
        self.pool.spawn(move || {
            let _permit = permit;
            let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(&this)));
            // Nobody may be waiting any more.
            let _gone = done.send(result);
        });
        match tokio::time::timeout(time, result).await {
            Ok(Ok(Ok(done))) => done,
            Ok(Ok(Err(_)) | Err(_)) => Err(PrepareError::Grammar(format!("{what} panicked"))),
            Err(_) => Err(late(time)),
        }
    }

    /// Starts a prepared request: one job per choice.
    ///
    /// # Errors
    /// If the engine has no place for it.
    pub fn start(&self, prepared: &Prepared) -> Result<Answer, StartError> {
        let n = prepared.n;
        if n > self.engine.capacity() {
            return Err(StartError::TooManyChoices { n, capacity: self.engine.capacity() });
        }
        if !self.engine.is_alive() {
            return Err(StartError::Stopped);
        }
        let permits = self.engine.reserve(n)?;
        let submitted = Instant::now();
        let time = [self.options.deadline, prepared.deadline].into_iter().flatten().min();
        let prompt: Arc<[TokenId]> = prepared.prompt.as_slice().into();
        let receivers = (0u64..)
            .zip(permits)
            .map(|(stream, permit)| {
                // Why: room for every event, so that the engine never waits for a client.
                let (events, receiver) = mpsc::channel(prepared.max_tokens + 4);
                self.engine.submit(Job {
                    prompt: Arc::clone(&prompt),
                    grammar: prepared.grammar.clone(),
                    free: prepared.free.clone(),
                    sampling: crate::engine::Sampling { stream, ..prepared.sampling.clone() },
                    max_tokens: prepared.max_tokens,
                    closes: prepared.closes,
                    thinking: prepared.thinking.clone(),
                    logprobs: prepared.logprobs,
                    events,
                    submitted,
                    deadline: time.map(|time| submitted + time),
                    permit: Some(permit),
                });
                receiver
            })
            .collect();
        Ok(Answer::new(receivers, Arc::clone(&self.vocab), prepared))
    }

    pub(super) fn model(&self) -> Model<'_> {
        Model {
            vocab: &self.vocab,
            templates: &self.templates,
            generic: &self.generic,
            compiler: &self.compiler,
            n_ctx: self.engine.limits().n_ctx,
            limits: self.options.limits,
            shows_schema: self.options.shows_schema,
            closes: self.options.closes,
            store: &self.options.store,
        }
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator").field("options", &self.options).finish_non_exhaustive()
    }
}
