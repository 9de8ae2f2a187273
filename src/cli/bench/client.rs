//! One streamed chat completion, with the times at which its parts came.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A server.
pub(super) struct Client {
    url: String,
    agent: ureq::Agent,
}

/// What became of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    /// Which request of the measurement it answers.
    pub(super) index: usize,
    /// The whole text.
    pub(super) content: String,
    pub(super) finish: Option<String>,
    /// As the server counts them; otherwise the number of parts.
    pub(super) n_tokens: u64,
    /// When it was sent, from the beginning of the measurement.
    pub(super) began: Duration,
    /// From the request to each part with text.
    pub(super) parts: Vec<Duration>,
    /// Bytes of the first part.
    pub(super) first_bytes: usize,
    /// From the request to the end.
    pub(super) took: Duration,
    /// What went wrong.
    pub(super) error: Option<String>,
}

impl Client {
    pub(super) fn new(url: &str, timeout: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_idle_connections_per_host(1024)
            .build();
        Self { url: url.trim_end_matches('/').to_owned(), agent: config.into() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Asks for the list of models.
    pub(super) fn reach(&self) -> Result<(), ureq::Error> {
        self.agent.get(format!("{}/models", self.url)).call().map(drop)
    }

    /// Sends a request whose answer is streamed.
    pub(super) fn chat(&self, body: &Value) -> Reply {
        let mut reply = Reply::default();
        let started = Instant::now();
        if let Err(error) = self.stream(body, started, &mut reply) {
            reply.error = Some(error);
        }
        reply.took = started.elapsed();
        if reply.n_tokens == 0 {
            reply.n_tokens = reply.parts.len() as u64;
        }
        reply
    }

    fn stream(&self, body: &Value, started: Instant, reply: &mut Reply) -> Result<(), String> {
        let url = format!("{}/chat/completions", self.url);
        let sent = self.agent.post(url).header("authorization", "Bearer bench").send_json(body);
        let mut response = sent.map_err(|e| e.to_string())?;
        if response.status() != 200 {
            let text = response.body_mut().read_to_string().unwrap_or_default();
            return Err(format!("HTTP {}: {}", response.status().as_u16(), text.chars().take(300).collect::<String>()));
        }
        let mut lines = BufReader::new(response.body_mut().as_reader()).lines();
        while let Some(line) = lines.next() {
            let line = line.map_err(|e| e.to_string())?;
            let Some(data) = line.strip_prefix("data:").map(str::trim) else { continue };
            if data == "[DONE]" {
                // Why: a connection whose answer was read to its end is used again, as SDKs do.
                return lines.try_for_each(|line| line.map(drop)).map_err(|e| e.to_string());
            }
            let chunk: Value = serde_json::from_str(data).map_err(|e| format!("a part is no JSON: {e}"))?;
            if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
                return Err(error.to_string());
            }
            reply.take(&chunk, started);
        }
        Err("the stream ended without [DONE]".into())
    }
}

impl Reply {
    /// How many tokens had come when the measurement was `seconds` old, those of a part taken as of equal number.
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    pub(super) fn n_tokens_by(&self, seconds: f64) -> f64 {
        let is_in_time = |part: &&Duration| (self.began + **part).as_secs_f64() <= seconds;
        let n_in_time = self.parts.iter().filter(is_in_time).count() as f64;
        self.n_tokens as f64 * n_in_time / self.parts.len().max(1) as f64
    }

    /// Tokens per second from the first part to the last; the first part's tokens by its share of the bytes.
    pub(super) fn decode_tokens_per_second(&self) -> Option<f64> {
        let seconds = self.parts.last()?.saturating_sub(*self.parts.first()?).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let (n_tokens, share) = (self.n_tokens as f64, self.first_bytes as f64 / self.content.len().max(1) as f64);
        (seconds > 0.0).then(|| (n_tokens - (n_tokens * share).max(1.0)).max(0.0) / seconds)
    }

    fn take(&mut self, chunk: &Value, started: Instant) {
        if let Some(n) = chunk.pointer("/usage/completion_tokens").and_then(Value::as_u64) {
            self.n_tokens = n;
        }
        if let Some(text) = chunk.pointer("/choices/0/delta/content").and_then(Value::as_str)
            && !text.is_empty()
        {
            if self.parts.is_empty() {
                self.first_bytes = text.len();
            }
            self.parts.push(started.elapsed());
            self.content.push_str(text);
        }
        if let Some(finish) = chunk.pointer("/choices/0/finish_reason").and_then(Value::as_str) {
            self.finish = Some(finish.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_came_in_time() {
        let parts = [100, 200, 300, 400].map(Duration::from_millis).to_vec();
        let reply = Reply { began: Duration::from_secs(1), n_tokens: 8, parts, ..Reply::default() };
        for (seconds, expected) in [(1.0, 0.0), (1.25, 4.0), (9.0, 8.0)] {
            assert!((reply.n_tokens_by(seconds) - expected).abs() < 1e-9, "{seconds}");
        }
        // A quarter of the text came at once, with a quarter of the tokens.
        let reply = Reply { first_bytes: 5, content: "x".repeat(20), ..reply };
        assert!((reply.decode_tokens_per_second().expect("some parts") - 6.0 / 0.3).abs() < 1e-9);
    }
}
