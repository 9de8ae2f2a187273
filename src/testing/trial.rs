//! Examples put to the test: they must be what the schema allows, and masks and validator must agree on them and on
//! what is close to them.

use std::time::Duration;

use cpu_time::ThreadTime;
use rand::Rng;
use serde::Serialize;
use serde_json::Value;

use super::Sampler;
use crate::grammar::{TokenId, Verdict, in_declared_order};

/// Random values that are drawn and shown.
const N_SAMPLES: usize = 3;
/// Small changes of the examples, or of the random values where there are no examples.
const N_CHANGES: usize = 96;
/// What of one kind is shown.
const MAX_SHOWN: usize = 5;
/// Processor time of one trial.
const MAX_TIME: Duration = Duration::from_millis(500);

/// What a trial showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trial {
    /// Random values that the schema allows.
    pub samples: Vec<Value>,
    /// Values that the masks and an independent validator both judged: the examples, the counterexamples, the samples,
    /// and small changes of them.
    pub n_judged: usize,
    /// How many of them are allowed.
    pub n_allowed: usize,
    /// Some changed values that are allowed too: what the schema leaves open.
    pub also_allowed: Vec<Value>,
    /// Values on which masks and validator disagree. There should be none.
    pub disagreements: Vec<Value>,
}

/// An example that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExampleError {
    /// The schema does not allow it.
    #[error("the schema does not allow this example: {why}")]
    NotAllowed {
        /// Its index.
        index: usize,
        /// Where, and what the validator says.
        why: String,
    },
    /// The schema allows it.
    #[error("the schema allows this counterexample")]
    Allowed {
        /// Its index.
        index: usize,
    },
}

impl Sampler {
    /// Whether masks and guard let a model write `value`, its keys in declared order.
    #[must_use]
    pub fn is_writable(&self, value: &Value) -> bool {
        let text = in_declared_order(&self.document, value);
        let mut matcher = self.compiled.matcher();
        let is_taken = text.bytes().all(|byte| matches!(matcher.accept(TokenId::from(byte)), Ok(Verdict::Taken)));
        is_taken && (matcher.is_stopped() || matcher.is_accepting().unwrap_or(false))
    }

    /// Puts examples to the test. It ends early where values are large.
    ///
    /// # Errors
    /// With the first example that the schema does not allow, or counterexample that it does.
    pub fn try_out(
        &self,
        examples: &[Value],
        counterexamples: &[Value],
        rng: &mut impl Rng,
    ) -> Result<Trial, ExampleError> {
        let started = ThreadTime::now();
        let mut trial = Trial::default();
        for (index, example) in examples.iter().enumerate() {
            if let Err(why) = self.check.judge(&example.to_string()) {
                return Err(ExampleError::NotAllowed { index, why: why.to_string() });
            }
            trial.judge(self, example, started.elapsed() < MAX_TIME);
        }
        for (index, value) in counterexamples.iter().enumerate() {
            if trial.judge(self, value, started.elapsed() < MAX_TIME) {
                return Err(ExampleError::Allowed { index });
            }
        }
        for _ in 0..N_SAMPLES {
            if started.elapsed() > MAX_TIME {
                break;
            }
            let value = self.value(rng);
            trial.judge(self, &value, true);
            trial.samples.push(value);
        }
        let seeds = if examples.is_empty() { trial.samples.clone() } else { examples.to_vec() };
        for seed in seeds.iter().cycle().take(N_CHANGES) {
            if started.elapsed() > MAX_TIME {
                break;
            }
            let changed = self.changed(seed, rng);
            let is_new = !seeds.contains(&changed) && !trial.also_allowed.contains(&changed);
            if is_new && trial.judge(self, &changed, true) && trial.also_allowed.len() < MAX_SHOWN {
                trial.also_allowed.push(changed);
            }
        }
        Ok(trial)
    }
}

impl Trial {
    /// Counts a value in. Returns whether the validator allows it; the masks are asked too if there is `time`.
    fn judge(&mut self, sampler: &Sampler, value: &Value, time: bool) -> bool {
        let is_valid = sampler.is_valid(value);
        self.n_judged += 1;
        self.n_allowed += usize::from(is_valid);
        // Why not all: masks spell numbers out that serializers write with an exponent.
        let is_comparable = time && is_spelled_out(value);
        if is_comparable && sampler.is_writable(value) != is_valid && self.disagreements.len() < MAX_SHOWN {
            self.disagreements.push(value.clone());
        }
        is_valid
    }
}

/// Whether no number in `value` has an exponent.
fn is_spelled_out(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.to_string().contains(['e', 'E']),
        Value::Array(items) => items.iter().all(is_spelled_out),
        Value::Object(map) => map.values().all(is_spelled_out),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;
    use serde_json::json;

    use super::*;
    use crate::testing::Options;

    fn try_out(schema: Value, examples: &[Value], counterexamples: &[Value]) -> Result<Trial, ExampleError> {
        let sampler = Sampler::new(&schema, Options::default()).expect("it can be enforced");
        sampler.try_out(examples, counterexamples, &mut ChaCha8Rng::seed_from_u64(7))
    }

    fn city() -> Value {
        json!({"type": "object", "properties": {
            "city": {"type": "string", "pattern": "^[A-Z][a-z]+$"}, "days": {"type": "integer", "minimum": 1, "maximum": 14},
            "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true}
        }, "required": ["city"], "additionalProperties": false})
    }

    #[test]
    fn masks_and_validator_agree_around_examples() {
        let examples = [json!({"days": 3, "city": "Paris"}), json!({"city": "Rome", "tags": ["a", "b"]})];
        let trial = try_out(city(), &examples, &[json!({"city": "paris"})]).expect("the examples are right");
        assert_eq!(trial.disagreements, Vec::<Value>::new());
        assert!(trial.n_judged > 30 && trial.n_allowed < trial.n_judged, "{trial:?}");
        assert_eq!(trial.samples.len(), N_SAMPLES);
        assert!(!trial.also_allowed.is_empty());
    }

    #[test]
    fn wrong_examples_are_named() {
        let error =
            try_out(city(), &[json!({"city": "Oslo"}), json!({"city": "oslo"})], &[]).expect_err("one is wrong");
        assert!(matches!(&error, ExampleError::NotAllowed { index: 1, why } if why.contains("/city")), "{error:?}");
        let error =
            try_out(city(), &[], &[json!({"city": "oslo"}), json!({"city": "Oslo"})]).expect_err("one is allowed");
        assert_eq!(error, ExampleError::Allowed { index: 1 });
    }
}
