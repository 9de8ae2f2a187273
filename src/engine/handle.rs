//! The engine's thread, and the handle by which everyone else reaches it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::backend::{Backend, BackendError, Limits};
use super::draft::Drafter;
use super::job::Job;
use super::step::{Engine, Tuning};
use crate::grammar::Vocab;
use crate::guard::STACK_BYTES;

/// How the engine is set up.
#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// Sequences that may wait for a slot.
    pub n_queue: usize,
    /// How the engine works.
    pub tuning: Tuning,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { n_queue: 256, tuning: Tuning::default() }
    }
}

/// The queue is full.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the queue is full")]
pub struct Busy;

enum Command {
    Submit(Box<Job>),
    Shutdown { deadline: Instant },
}

/// Reaches the engine's thread; cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineHandle {
    commands: SyncSender<Command>,
    permits: Arc<Semaphore>,
    n_permits: usize,
    limits: Limits,
    is_alive: Arc<AtomicBool>,
    is_stopping: Arc<AtomicBool>,
}

impl EngineHandle {
    /// Starts the thread. `make_backend` runs on it, since devices may be bound to their thread.
    ///
    /// # Errors
    /// If the backend cannot be made.
    pub fn spawn<B: Backend>(
        make_backend: impl FnOnce() -> Result<B, BackendError> + Send + 'static,
        vocab: Arc<Vocab>,
        options: EngineOptions,
    ) -> Result<(Self, JoinHandle<()>), BackendError> {
        Self::spawn_with(move || make_backend().map(|backend| (backend, None)), vocab, options)
    }

    /// As [`EngineHandle::spawn`], with a model that proposes tokens beside the device.
    ///
    /// # Errors
    /// If the devices cannot be made.
    pub fn spawn_with<B: Backend>(
        make_backend: impl FnOnce() -> Result<(B, Option<Box<dyn Drafter>>), BackendError> + Send + 'static,
        vocab: Arc<Vocab>,
        options: EngineOptions,
    ) -> Result<(Self, JoinHandle<()>), BackendError> {
        let (ready, is_ready) = sync_channel(1);
        let is_alive = Arc::new(AtomicBool::new(true));
        let alive = Arc::clone(&is_alive);
        let thread = std::thread::Builder::new()
            .name("engine".into())
            // Why: the guard judges values here, by schemas from strangers.
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    let (backend, drafter) = match make_backend() {
                        Ok(made) => made,
                        Err(error) => return drop(ready.send(Err(error))),
                    };
                    let limits = backend.limits();
                    let n_permits = limits.n_slots + options.n_queue;
                    let (commands, inbox) = sync_channel(n_permits + 1);
                    let mut engine = Engine::new(backend, vocab, options.tuning).with_drafter(drafter);
                    let _gone = ready.send(Ok((commands, limits, n_permits)));
                    run(&mut engine, &inbox);
                }));
                alive.store(false, Ordering::Release);
                if outcome.is_err() {
                    tracing::error!("the engine's thread panicked; the process cannot go on");
                }
            })
            .map_err(|e| BackendError(format!("no thread: {e}")))?;
        let (commands, limits, n_permits) =
            is_ready.recv().map_err(|_| BackendError("the engine's thread ended at its start".into()))??;
        let permits = Arc::new(Semaphore::new(n_permits));
        let is_stopping = Arc::new(AtomicBool::new(false));
        Ok((Self { commands, permits, n_permits, limits, is_alive, is_stopping }, thread))
    }

    /// What the device can hold.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How many sequences the engine takes at once, waiting ones included.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.n_permits
    }

    /// Whether a job submitted now would be served.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_alive() && !self.is_stopping() && self.permits.available_permits() > 0
    }

    /// Whether the thread runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Acquire)
    }

    /// Takes `n` places in the engine at once.
    ///
    /// # Errors
    /// If there are not so many.
    pub fn reserve(&self, n: usize) -> Result<Vec<OwnedSemaphorePermit>, Busy> {
        let n = u32::try_from(n).map_err(|_| Busy)?;
        let mut all = Arc::clone(&self.permits).try_acquire_many_owned(n).map_err(|_| Busy)?;
        Ok((0..n).map_while(|_| all.split(1)).collect())
    }

    /// Submits a job that holds a place. If the thread has ended, the job's events end without a last one.
    pub fn submit(&self, job: Job) {
        // Why: the channel has room for every permit, so this never blocks and fails only when the thread is gone.
        let _gone = self.commands.try_send(Command::Submit(Box::new(job)));
    }

    /// Lets running sequences end until `deadline`, then ends the thread.
    pub fn shut_down(&self, deadline: Instant) {
        self.is_stopping.store(true, Ordering::Release);
        let _gone = self.commands.try_send(Command::Shutdown { deadline });
    }

    /// Whether the thread was told to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

fn run<B: Backend>(engine: &mut Engine<B>, inbox: &Receiver<Command>) {
    let mut deadline: Option<Instant> = None;
    loop {
        if deadline.is_some_and(|deadline| engine.is_idle() || Instant::now() >= deadline) {
            return;
        }
        let mut next = if engine.is_idle() {
            match inbox.recv_timeout(Duration::from_secs(3600)) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        } else {
            inbox.try_recv().ok()
        };
        while let Some(command) = next {
            match command {
                Command::Submit(job) => engine.submit(*job),
                Command::Shutdown { deadline: at } => deadline = Some(at),
            }
            next = inbox.try_recv().ok();
        }
        engine.step(Instant::now());
    }
}
