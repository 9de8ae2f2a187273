//! The states of a sequence and the transitions between them. What happens to one that decodes is in `decoding`.

use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::backend::Draw;
use super::decoding::{Decoding, Ending};
use super::draft::{Drafts, Record};
use super::job::{Effort, EngineError, Event, FinishReason, Job};
use super::sampling::{Counts, Drawn};
use crate::grammar::{Mask, Matcher, MatcherError, TokenId, Vocab};
use crate::telemetry::metrics::METRICS;

/// A job in the queue.
pub(super) struct Waiting {
    pub(super) job: Job,
}

/// What a sequence has from its first step to its last.
pub(super) struct Task {
    pub(super) job: Job,
    pub(super) matcher: Option<Matcher>,
    pub(super) effort: Effort,
    /// Whether tokens without a choice are taken without drawing them.
    pub(super) forces: bool,
    /// What the client is told when the step is over.
    news: Vec<Event>,
}

/// A sequence in a slot.
pub(super) enum Resident {
    /// The prompt goes into the cache; the first `n_done` tokens are there.
    Prefilling { task: Box<Task>, n_done: usize },
    /// Tokens are generated.
    Decoding(Box<Decoding>),
}

/// What the next token is drawn with.
pub(super) struct Choice {
    mask: Option<Mask>,
    uniform: f32,
    /// Whether anything is left that has not led nowhere before.
    pub(super) has_any: bool,
    /// What brings the answer to its end instead, because its tokens run out.
    pub(super) ending: Option<Ending>,
}

/// What becomes of a drawn token.
pub(super) enum Taken {
    /// It is part of the answer, or ends it.
    Yes(Next),
    /// The guard vetoed it; another must be drawn.
    Vetoed(Resident, &'static str),
}

/// What becomes of a resident sequence.
#[must_use]
pub(super) enum Next {
    /// It stays in its slot.
    Stay(Resident),
    /// It leaves; these tokens have cells in the slot.
    Leave { cached: Vec<TokenId> },
}

impl Waiting {
    /// Takes a slot in which the first `n_cached` tokens of the prompt have their cells.
    pub(super) fn admit(self, n_cached: usize, forces: bool, now: Instant) -> Resident {
        let Self { job } = self;
        let queued = now.saturating_duration_since(job.submitted);
        METRICS.queue_seconds.observe(queued.as_secs_f64());
        METRICS.prefix_reused_tokens.inc_by(n_cached as u64);
        METRICS.prompt_tokens.inc_by((job.prompt.len() - n_cached) as u64);
        send(&job, Event::Started { n_cached, queued });
        let matcher = job.grammar.as_ref().map(|grammar| grammar.matcher());
        // Why: whoever asks for log probabilities wants them for each token, so each is drawn.
        let forces = forces && job.logprobs.is_none();
        let task = Box::new(Task { job, matcher, effort: Effort::default(), forces, news: Vec::new() });
        Resident::Prefilling { task, n_done: n_cached }
    }

    /// Ends a job that was never started.
    pub(super) fn fail(self, error: EngineError) {
        send(&self.job, Event::Failed(error));
    }
}

impl Task {
    /// Tells the client, when the step is over.
    pub(super) fn tell(&mut self, event: Event) {
        self.news.push(event);
    }

    /// Sends what is to be told.
    ///
    /// Why not at once: each send may wake a thread. Woken once for the news of all slots, it does its work in one go;
    /// woken for each slot's, it sleeps and wakes as often as there are slots.
    pub(super) fn send_news(&mut self) {
        self.news.drain(..).for_each(|event| send(&self.job, event));
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.send_news();
        if let (Some(matcher), Some(grammar)) = (self.matcher.take(), &self.job.grammar) {
            grammar.give_back(matcher);
        }
    }
}

impl Resident {
    pub(super) fn task(&self) -> &Task {
        match self {
            Self::Prefilling { task, .. } => task,
            Self::Decoding(decoding) => &decoding.task,
        }
    }

    pub(super) fn task_mut(&mut self) -> &mut Task {
        match self {
            Self::Prefilling { task, .. } => task,
            Self::Decoding(decoding) => &mut decoding.task,
        }
    }

    /// All tokens so far, and how many of them have their cell.
    pub(super) fn tokens(&self) -> (&[TokenId], usize) {
        match self {
            Self::Prefilling { task, n_done } => (&task.job.prompt, *n_done),
            Self::Decoding(decoding) => (&decoding.tokens, decoding.n_fed),
        }
    }

    pub(super) fn is_prefilling(&self) -> bool {
        matches!(self, Self::Prefilling { .. })
    }

    /// Computes the mask of the next draw, after looking whether the answer can still be closed within its tokens.
    pub(super) fn choose(&mut self, n_ctx: usize) -> Result<Choice, MatcherError> {
        let started = Instant::now();
        if let Self::Decoding(decoding) = self
            && let Some(ending) = decoding.due_ending(n_ctx)
        {
            self.task_mut().effort.mask += started.elapsed();
            return Ok(Choice { mask: None, uniform: 0.0, has_any: true, ending: Some(ending) });
        }
        let uniform = match self {
            Self::Prefilling { task, .. } => rng_of(&task.job).random(),
            Self::Decoding(decoding) => decoding.rng.random(),
        };
        let task = self.task_mut();
        let mut mask = match &mut task.matcher {
            Some(matcher) => Some(matcher.mask()?),
            None => task.job.free.as_deref().cloned(),
        };
        let has_any = mask.as_mut().is_none_or(|mask| {
            if let Self::Decoding(decoding) = self {
                decoding.forbid_bans(mask);
            }
            mask.n_allowed() > 0
        });
        self.task_mut().effort.mask += started.elapsed();
        Ok(Choice { mask, uniform, has_any, ending: None })
    }

    /// How the next token is drawn.
    pub(super) fn draw<'a>(&'a self, choice: &'a Choice) -> Draw<'a> {
        static NO_COUNTS: std::sync::LazyLock<Counts> = std::sync::LazyLock::new(Counts::new);
        let task = self.task();
        Draw {
            mask: choice.mask.as_ref(),
            sampling: &task.job.sampling,
            counts: match self {
                Self::Prefilling { .. } => &NO_COUNTS,
                Self::Decoding(decoding) => &decoding.counts,
            },
            uniform: choice.uniform,
            logprobs: task.job.logprobs,
        }
    }

    /// Counts `n_rows` tokens as fed; a prompt whose last token `draws` is done.
    pub(super) fn fed(self, n_rows: usize, draws: bool) -> Self {
        match self {
            Self::Prefilling { task, n_done } if draws => {
                // Why: the first draw took its random number from a generator that was thrown away.
                let mut rng = rng_of(&task.job);
                let _first: f32 = rng.random();
                METRICS.time_to_first_token_seconds.observe(task.job.submitted.elapsed().as_secs_f64());
                Self::Decoding(Box::new(Decoding::new(task, n_done + n_rows, rng)))
            }
            Self::Prefilling { task, n_done } => Self::Prefilling { task, n_done: n_done + n_rows },
            Self::Decoding(mut decoding) => {
                decoding.n_fed += n_rows;
                Self::Decoding(decoding)
            }
        }
    }

    /// Takes a drawn token, unless the guard vetoes it.
    pub(super) fn take(self, drawn: Drawn, vocab: &Vocab, n_ctx: usize) -> Taken {
        match self {
            Self::Decoding(decoding) => decoding.accept(drawn, vocab, n_ctx),
            prefilling @ Self::Prefilling { .. } => Taken::Yes(Next::Stay(prefilling)),
        }
    }

    /// The tokens to compute along with the next step, and what is known of their worth.
    pub(super) fn drafts(&self) -> &[TokenId] {
        match self {
            Self::Prefilling { .. } => &[],
            Self::Decoding(decoding) => &decoding.drafts.tokens,
        }
    }

    /// Puts drafts down, cut where the grammar does not allow them or the context ends.
    pub(super) fn set_drafts(&mut self, drafts: Drafts, vocab: &Vocab, n_ctx: usize) {
        if let Self::Decoding(decoding) = self {
            decoding.set_drafts(drafts, vocab, n_ctx);
        }
    }

    /// How good the drafts of this sequence were.
    pub(super) fn record_mut(&mut self) -> Option<&mut Record> {
        match self {
            Self::Prefilling { .. } => None,
            Self::Decoding(decoding) => Some(&mut decoding.record),
        }
    }

    /// Counts tokens as fed as long as `drafts`, whose cells were computed, are the very ones that came. Returns how
    /// many were, and whether all tokens have their cells now.
    pub(super) fn match_drafts(&mut self, drafts: &[TokenId]) -> (usize, bool) {
        let Self::Decoding(decoding) = self else { return (0, false) };
        let pending = &decoding.tokens[decoding.n_fed..];
        let n_right = pending.iter().zip(drafts).take_while(|(a, b)| a == b).count();
        let is_all = n_right == pending.len();
        decoding.n_fed += n_right;
        (n_right, is_all)
    }

    /// Notes what became of the last step's drafts.
    pub(super) fn note_drafts(&mut self, n_drafted: usize, n_accepted: usize) {
        if let Self::Decoding(decoding) = self {
            decoding.note_drafts(n_drafted, n_accepted);
        }
    }

    /// Goes back to the last choice, because nothing can follow here.
    ///
    /// # Errors
    /// If there is no choice left that the client has not been told.
    pub(super) fn step_back(self, why: &'static str) -> Result<Self, (Self, EngineError)> {
        match self {
            Self::Decoding(mut decoding) => match decoding.step_back() {
                true => Ok(Self::Decoding(decoding)),
                false => Err((Self::Decoding(decoding), EngineError::DeadEnd(why))),
            },
            prefilling @ Self::Prefilling { .. } => Err((prefilling, EngineError::DeadEnd(why))),
        }
    }

    /// Brings the answer to a short valid end, because it cannot go on as it did. Gives the tokens with cells.
    ///
    /// # Errors
    /// With the sequence, if no such end is known, or none was asked for.
    pub(super) fn close(self, n_ctx: usize) -> Result<Vec<TokenId>, Self> {
        match self {
            Self::Decoding(decoding) => match decoding.ending(n_ctx) {
                Some(ending) => Ok(decoding.close_with(ending)),
                None => Err(Self::Decoding(decoding)),
            },
            prefilling @ Self::Prefilling { .. } => Err(prefilling),
        }
    }

    /// Ends the answer with an ending that was found for it. Gives the tokens with cells.
    ///
    /// # Errors
    /// With the sequence, if there is no answer yet.
    pub(super) fn close_with(self, ending: Ending) -> Result<Vec<TokenId>, Self> {
        match self {
            Self::Decoding(decoding) => Ok(decoding.close_with(ending)),
            prefilling @ Self::Prefilling { .. } => Err(prefilling),
        }
    }

    /// Ends the answer because its time is over, valid where it is bound and an ending is known.
    pub(super) fn expire(self, n_ctx: usize) -> Vec<TokenId> {
        match self.close(n_ctx) {
            Ok(cached) => cached,
            Err(Self::Decoding(decoding)) => decoding.end(FinishReason::Length),
            Err(prefilling) => {
                let (tokens, n_fed) = prefilling.tokens();
                let cached = tokens[..n_fed].to_vec();
                prefilling.fail(EngineError::Deadline);
                cached
            }
        }
    }

    /// Corrects how many tokens have their cell after the device cut them.
    pub(super) fn cut(&mut self, n_cells: usize) {
        match self {
            Self::Prefilling { n_done, .. } => *n_done = (*n_done).min(n_cells),
            Self::Decoding(decoding) => decoding.n_fed = decoding.n_fed.min(n_cells),
        }
    }

    /// Ends the sequence with an error. Nothing in its slot can be relied on.
    pub(super) fn fail(mut self, error: EngineError) {
        self.task_mut().tell(Event::Failed(error));
    }

    /// Ends the sequence because nobody listens any more.
    pub(super) fn cancel(self) -> Vec<TokenId> {
        METRICS.cancelled.inc();
        let (tokens, n_fed) = self.tokens();
        tokens[..n_fed].to_vec()
    }

    /// Adds to the time that the device spent on this sequence.
    pub(super) fn note_device(&mut self, time: Duration) {
        self.task_mut().effort.device += time;
    }

    /// Adds to the time that the host spent on it beyond masks.
    pub(super) fn note_host(&mut self, time: Duration) {
        self.task_mut().effort.host += time;
    }
}

impl Choice {
    /// Whether a token is to be drawn.
    pub(super) fn draws(&self) -> bool {
        self.has_any && self.ending.is_none()
    }

    /// Whether the mask allows `token`.
    pub(super) fn allows(&self, token: TokenId) -> bool {
        self.mask.as_ref().is_none_or(|mask| mask.allows(token))
    }

    /// Takes `token` out. Returns whether anything is left.
    pub(super) fn forbid(&mut self, token: TokenId) -> bool {
        self.mask.as_mut().is_some_and(|mask| {
            mask.forbid(token);
            mask.n_allowed() > 0
        })
    }
}

fn rng_of(job: &Job) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(job.sampling.seed);
    rng.set_stream(job.sampling.stream);
    rng
}

/// Sends without waiting: the channel has room for every event of the job, and a closed one cancels it.
fn send(job: &Job, event: Event) {
    let _gone = job.events.try_send(event);
}
