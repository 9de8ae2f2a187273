//! Every metric of the process, declared once; rendered by `GET /metrics` in the OpenMetrics text format.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Labels of one answered request. Both come from closed sets: matched routes and HTTP status codes.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RequestLabels {
    /// The matched route, never the raw path.
    pub endpoint: &'static str,
    /// The HTTP status.
    pub status: u16,
}

/// What the engine's thread does in a step, one after the other.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
pub enum StepPart {
    /// Plans rows, starts the device, and makes masks. On a CPU that is the whole computation.
    Start,
    /// Brings masks to a device that draws.
    Ask,
    /// Tells clients.
    Tell,
    /// Waits for the device, and for what it draws.
    Wait,
    /// Draws on the host, accepts, takes forced tokens.
    Settle,
}

/// Labels of a part of a step.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StepPartLabels {
    /// The part.
    pub part: StepPart,
}

/// All metrics. Durations are in seconds.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Answered requests.
    pub requests: Family<RequestLabels, Counter>,
    /// Time from arrival in the engine's queue until a slot takes the sequence.
    pub queue_seconds: Histogram,
    /// Time from arrival in the engine's queue until the first token.
    pub time_to_first_token_seconds: Histogram,
    /// Time of one engine step, device work included.
    pub step_seconds: Histogram,
    /// Of that, what each part of it took.
    pub step_part_seconds: Family<StepPartLabels, Counter<f64, AtomicU64>>,
    /// Steps that the device computed with the graph of the step before.
    pub reused_graphs: Counter,
    /// Time to compute the masks of one step, over all slots.
    pub mask_seconds: Histogram,
    /// Time to compile a grammar that was not in the cache.
    pub grammar_compile_seconds: Histogram,
    /// Grammars served from the cache.
    pub grammar_cache_hits: Counter,
    /// Schemas of tools that were compiled before, beside others.
    pub grammar_piece_hits: Counter,
    /// Prompt tokens run through the model.
    pub prompt_tokens: Counter,
    /// Prompt tokens whose KV cells were reused.
    pub prefix_reused_tokens: Counter,
    /// Tokens drawn or forced.
    pub generated_tokens: Counter,
    /// Tokens the grammar left no choice about.
    pub forced_tokens: Counter,
    /// Tokens that the mask allowed and the guard did not.
    pub guard_vetoes: Counter,
    /// Times a sequence went back because nothing could follow.
    pub guard_steps_back: Counter,
    /// Finished bound answers that the independent check rejected: each one is a bug.
    pub check_failures: Counter,
    /// Tokens proposed by speculation.
    pub drafted_tokens: Counter,
    /// Of these, those that became part of answers.
    pub accepted_tokens: Counter,
    /// Tokens that the device drew although the mask forbids them; drawn again.
    pub refused_draws: Counter,
    /// Tokens drawn on the device.
    pub device_draws: Counter,
    /// Sequences ended because the client went away.
    pub cancelled: Counter,
    /// Bytes of KV cells kept on the host.
    pub prefix_cache_bytes: Gauge<u64, AtomicU64>,
    /// Sequences waiting for a slot.
    pub waiting: Gauge,
    /// Sequences in a slot.
    pub running: Gauge<u64, AtomicU64>,
}

/// The process's metrics.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

const LATENCY_BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
const MASK_BUCKETS: [f64; 10] = [10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 10e-3, 100e-3];

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("drawplate");
        let metrics = Self {
            requests: Family::default(),
            queue_seconds: Histogram::new(LATENCY_BUCKETS),
            time_to_first_token_seconds: Histogram::new(LATENCY_BUCKETS),
            step_seconds: Histogram::new(LATENCY_BUCKETS),
            step_part_seconds: Family::default(),
            reused_graphs: Counter::default(),
            mask_seconds: Histogram::new(MASK_BUCKETS),
            grammar_compile_seconds: Histogram::new(LATENCY_BUCKETS),
            grammar_cache_hits: Counter::default(),
            grammar_piece_hits: Counter::default(),
            prompt_tokens: Counter::default(),
            prefix_reused_tokens: Counter::default(),
            generated_tokens: Counter::default(),
            forced_tokens: Counter::default(),
            guard_vetoes: Counter::default(),
            guard_steps_back: Counter::default(),
            check_failures: Counter::default(),
            drafted_tokens: Counter::default(),
            accepted_tokens: Counter::default(),
            refused_draws: Counter::default(),
            device_draws: Counter::default(),
            cancelled: Counter::default(),
            prefix_cache_bytes: Gauge::default(),
            waiting: Gauge::default(),
            running: Gauge::default(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register("requests", "Answered requests", m.requests.clone());
        registry.register_with_unit("queue", "Wait for a slot", Unit::Seconds, m.queue_seconds.clone());
        registry.register_with_unit(
            "time_to_first_token",
            "From arrival to the first token",
            Unit::Seconds,
            m.time_to_first_token_seconds.clone(),
        );
        registry.register_with_unit("step", "One engine step", Unit::Seconds, m.step_seconds.clone());
        registry.register_with_unit("step_part", "Parts of steps", Unit::Seconds, m.step_part_seconds.clone());
        registry.register("reused_graphs", "Steps with the graph of the step before", m.reused_graphs.clone());
        registry.register_with_unit("mask", "Masks of one step", Unit::Seconds, m.mask_seconds.clone());
        registry.register_with_unit(
            "grammar_compile",
            "Compilation of a grammar",
            Unit::Seconds,
            m.grammar_compile_seconds.clone(),
        );
        registry.register("grammar_cache_hits", "Grammars from the cache", m.grammar_cache_hits.clone());
        registry.register("grammar_piece_hits", "Schemas of tools from the cache", m.grammar_piece_hits.clone());
        registry.register("prompt_tokens", "Prompt tokens run through the model", m.prompt_tokens.clone());
        registry.register("prefix_reused_tokens", "Prompt tokens reused", m.prefix_reused_tokens.clone());
        registry.register("generated_tokens", "Tokens drawn or forced", m.generated_tokens.clone());
        registry.register("forced_tokens", "Tokens without a choice", m.forced_tokens.clone());
        registry.register("guard_vetoes", "Tokens that the guard vetoed", m.guard_vetoes.clone());
        registry.register("guard_steps_back", "Dead ends that sequences left", m.guard_steps_back.clone());
        registry.register("check_failures", "Bound answers the final check rejected", m.check_failures.clone());
        registry.register("drafted_tokens", "Tokens proposed by speculation", m.drafted_tokens.clone());
        registry.register("accepted_tokens", "Proposed tokens that became part of answers", m.accepted_tokens.clone());
        registry.register("refused_draws", "Draws of the device that the mask forbids", m.refused_draws.clone());
        registry.register("device_draws", "Tokens drawn on the device", m.device_draws.clone());
        registry.register("cancelled", "Sequences whose client went away", m.cancelled.clone());
        registry.register_with_unit(
            "prefix_cache",
            "KV cells kept on the host",
            Unit::Bytes,
            m.prefix_cache_bytes.clone(),
        );
        registry.register("waiting", "Sequences waiting for a slot", m.waiting.clone());
        registry.register("running", "Sequences in a slot", m.running.clone());
        Self { registry, ..metrics }
    }

    /// Adds the time since `since` to a part of the step, and gives the time now.
    pub fn note_part(&self, part: StepPart, since: Instant) -> Instant {
        let now = Instant::now();
        let seconds = now.duration_since(since).as_secs_f64();
        self.step_part_seconds.get_or_create(&StepPartLabels { part }).inc_by(seconds);
        now
    }

    /// Renders everything in the OpenMetrics text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# encoding failed");
        }
        text
    }
}
