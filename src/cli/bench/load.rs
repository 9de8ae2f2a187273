//! One measurement: some streams of requests at one server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Case;
use super::client::{Client, Reply};
use crate::config::BenchArgs;
use crate::guard::Check;

/// What every measurement shares.
pub(super) struct Load<'a> {
    pub(super) args: &'a BenchArgs,
    pub(super) prompts: &'a [String],
    pub(super) extra: &'a Map<String, Value>,
}

/// What was seen in one measurement. Times are in seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Measured {
    /// Index of the server.
    pub(super) server: usize,
    pub(super) case: String,
    pub(super) streams: usize,
    pub(super) round: u16,
    pub(super) seconds: f64,
    pub(super) tokens: u64,
    /// Until the first stream had no more requests: afterwards fewer run, and short answers would look slow.
    pub(super) tokens_per_second: f64,
    /// From the first part to the last, per stream.
    pub(super) decode_tokens_per_second: Vec<f64>,
    pub(super) time_to_first_token: Vec<f64>,
    pub(super) between_parts: Vec<f64>,
    /// Bound answers that ended by themselves, and are valid.
    pub(super) valid: usize,
    /// Bound answers that ended because tokens ran out, and are valid all the same.
    pub(super) closed: usize,
    /// Bound answers that were cut off.
    pub(super) cut: usize,
    /// Bound answers that ended by themselves and are not valid.
    pub(super) invalid: usize,
    pub(super) errors: Vec<String>,
    /// What was answered, by request.
    #[serde(skip)]
    pub(super) texts: BTreeMap<usize, String>,
    /// Load average of the machine when it began.
    pub(super) load: f64,
}

impl Load<'_> {
    /// Measures `case` with `n_streams` requests at once.
    pub(super) fn measure(&self, client: &Client, case: &Case, n_streams: usize, round: u16) -> Measured {
        let load = load_average();
        let n_requests = n_streams * usize::from(self.args.requests);
        let next = AtomicUsize::new(0);
        let started = Instant::now();
        let ask = |i: usize| {
            let began = started.elapsed();
            Reply { began, index: i, ..client.chat(&self.body(case, i)) }
        };
        let ask = &ask;
        let streams: Vec<Vec<Reply>> = std::thread::scope(|scope| {
            let threads: Vec<_> = match self.args.rate {
                // Why: in an open loop nobody waits for an answer before the next request is sent.
                Some(rate) => arrivals(rate, n_requests, round)
                    .into_iter()
                    .enumerate()
                    .map(|(i, at)| {
                        scope.spawn(move || {
                            std::thread::sleep(at);
                            vec![ask(i)]
                        })
                    })
                    .collect(),
                None => (0..n_streams)
                    .map(|_| {
                        scope.spawn(|| {
                            let mut replies = Vec::new();
                            loop {
                                let i = next.fetch_add(1, Ordering::Relaxed);
                                if i >= n_requests {
                                    return replies;
                                }
                                replies.push(ask(i));
                            }
                        })
                    })
                    .collect(),
            };
            threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
        });
        let seconds = started.elapsed().as_secs_f64();
        let all_busy = if self.args.rate.is_some() { seconds } else { all_busy(&streams).as_secs_f64() };
        let replies: Vec<Reply> = streams.into_iter().flatten().collect();
        let n_tokens: f64 = replies.iter().map(|reply| reply.n_tokens_by(all_busy)).sum();
        let mut measured =
            Measured { case: case.name.clone(), streams: n_streams, round, seconds, load, ..Measured::default() };
        replies.into_iter().for_each(|reply| measured.add(reply, case.check.as_ref()));
        measured.tokens_per_second = n_tokens / all_busy.max(1e-9);
        measured
    }

    fn body(&self, case: &Case, i: usize) -> Value {
        let default = match case.schema {
            None => format!("Write a very long story about a dog, a lighthouse and the sea. ({i})"),
            Some(_) => format!("Generate a JSON object that fits the schema. ({i})"),
        };
        let prompt = if self.prompts.is_empty() { &default } else { &self.prompts[i % self.prompts.len()] };
        let mut body = json!({
            "model": self.args.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": self.args.tokens,
            "temperature": self.args.temperature,
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        if let Some(schema) = &case.schema {
            let format = json!({"type": "json_schema", "json_schema": {"name": "bench", "schema": schema}});
            body["response_format"] = format;
        }
        if let Value::Object(fields) = &mut body {
            fields.extend(self.extra.clone());
        }
        body
    }
}

impl Measured {
    fn add(&mut self, reply: Reply, check: Option<&Check>) {
        if let Some(error) = reply.error {
            self.errors.push(error);
            return;
        }
        self.tokens += reply.n_tokens;
        if let Some(first) = reply.parts.first() {
            self.time_to_first_token.push(first.as_secs_f64());
            self.decode_tokens_per_second.extend(reply.decode_tokens_per_second());
            let gaps = reply.parts.windows(2).map(|pair| pair[1].saturating_sub(pair[0]).as_secs_f64());
            self.between_parts.extend(gaps);
        }
        let is_valid = check.map(|check| check.judge(&reply.content).is_ok());
        self.texts.insert(reply.index, reply.content);
        let Some(is_valid) = is_valid else { return };
        match (reply.finish.as_deref() == Some("length"), is_valid) {
            (false, true) => self.valid += 1,
            (true, true) => self.closed += 1,
            (true, false) => self.cut += 1,
            (false, false) => self.invalid += 1,
        }
    }
}

/// Until when all streams had a request.
fn all_busy(streams: &[Vec<Reply>]) -> Duration {
    let end = |replies: &Vec<Reply>| replies.last().map(|reply| reply.began + reply.took);
    streams.iter().filter_map(end).min().unwrap_or_default()
}

/// The times at which requests arrive: exponential gaps, the same in every run.
fn arrivals(rate: f64, n: usize, round: u16) -> Vec<Duration> {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(round));
    let mut at = 0.0;
    (0..n)
        .map(|_| {
            at += -(1.0 - rng.random::<f64>()).ln() / rate;
            Duration::from_secs_f64(at)
        })
        .collect()
}

/// The machine's load average over a minute; 0 where it is not known.
fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0)
}
