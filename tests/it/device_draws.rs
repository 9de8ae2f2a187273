//! Tokens drawn where the logits are, against the host's sampler and against the probabilities themselves.

#![cfg(feature = "llama")]

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use drawplate::engine::llama::{LlamaDevice, LlamaFile, LlamaOptions};
use drawplate::engine::sampling::Sampler;
use drawplate::engine::{
    Ask, Backend, Counts, Draw, DrawOn, Engine, Event, Job, KvCells, Limits, Outputs as _, Placement, Row, Sampling,
    SlotId, Tuning,
};
use drawplate::grammar::{Budget, Compiler, Spec, TokenId, Vocab};
use drawplate::schema::Document;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{job, model_path, turn};

const LIMITS: Limits = Limits { n_slots: 4, n_batch: 128, n_ctx: 512 };

/// The real model, for as long as it is this test's turn; nothing without a model.
fn load() -> Option<(MutexGuard<'static, ()>, LlamaFile, Vocab)> {
    let path = model_path()?;
    let turn = turn();
    let mut file = LlamaFile::load(path.as_ref(), &Placement::default(), |_| ()).unwrap();
    let vocab = file.take_vocab();
    Some((turn, file, vocab))
}

fn device(file: &LlamaFile, draw_on: DrawOn) -> LlamaDevice {
    // Cells held alike: in another layout sums come in another order.
    let options = LlamaOptions { draw_on, kv_cells: KvCells::Shared, ..LlamaOptions::new(LIMITS, 2) };
    file.device(options)().unwrap()
}

fn greedy() -> Sampling {
    Sampling { temperature: 0.0, ..Sampling::default() }
}

/// What is asked: a schema or none, and how tokens are drawn.
fn requests(vocab: &Vocab) -> Vec<(Option<Value>, Sampling)> {
    let person = json!({"type": "object", "required": ["name", "age"], "additionalProperties": false, "properties": {
        "name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 150}}});
    let colors = json!({"type": "array", "minItems": 4, "maxItems": 4, "items": {"enum": ["red", "green", "blue"]}});
    let the = vocab.tokenize(" the", false)[0];
    vec![
        (None, greedy()),
        (Some(person.clone()), greedy()),
        (Some(colors.clone()), greedy()),
        (None, Sampling { logit_bias: vec![(the, 3.0)], ..greedy() }),
        (Some(colors), Sampling { presence_penalty: 1.5, frequency_penalty: 0.5, ..greedy() }),
        (Some(person), Sampling { repeat_penalty: 1.3, ..greedy() }),
    ]
}

fn texts(file: &LlamaFile, vocab: &Arc<Vocab>, draw_on: DrawOn) -> Vec<Vec<TokenId>> {
    let tuning = Tuning { speculates: false, ..Tuning::default() };
    let mut engine = Engine::new(device(file, draw_on), Arc::clone(vocab), tuning);
    let compiler = Compiler::new(vocab, Budget::default()).unwrap();
    let mut receivers = Vec::new();
    for (schema, sampling) in requests(vocab) {
        let grammar = schema.map(|schema| {
            let document = Document::parse(schema, drawplate::schema::Limits::default()).unwrap();
            compiler.compile(&Spec::value(Arc::new(document))).unwrap()
        });
        let (job, receiver) = job(vocab.tokenize("Once upon a time, there was", false), grammar, 40);
        engine.submit(Job { sampling, closes: true, ..job });
        receivers.push(receiver);
    }
    while !engine.is_idle() {
        engine.step(Instant::now());
    }
    let tokens = |mut receiver: mpsc::Receiver<Event>| {
        let mut tokens = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            match event {
                Event::Token { token, .. } => tokens.push(token),
                Event::Failed(error) => panic!("{error}"),
                Event::Started { .. } | Event::Finished(..) => {}
            }
        }
        tokens
    };
    receivers.into_iter().map(tokens).collect()
}

#[test]
fn the_likeliest_token_is_the_same_on_the_device_and_on_the_host() {
    let Some((_turn, file, vocab)) = load() else { return };
    let vocab = Arc::new(vocab);
    let (host, graph) = (texts(&file, &vocab, DrawOn::Host), texts(&file, &vocab, DrawOn::Device));
    assert!(host.iter().all(|tokens| !tokens.is_empty()));
    assert_eq!(host, graph);
}

#[test]
fn logits_of_a_row_stay_after_the_device_drew() {
    let Some((_turn, file, vocab)) = load() else { return };
    let mut device = device(&file, DrawOn::Device);
    let prompt = vocab.tokenize("The capital of France is", false);
    let rows: Vec<Row> = (0..prompt.len()).map(|pos| row(&prompt, pos)).collect();
    let (sampling, counts, last) = (greedy(), Counts::new(), prompt.len() - 1);
    let draw = Draw { mask: None, sampling: &sampling, counts: &counts, uniform: 0.0, logprobs: None };
    device.start(&rows).unwrap();
    device.ask(&[Ask { row_idx: last, draw }]);
    let outputs = device.finish().unwrap();
    let token = outputs.token(last).unwrap();
    assert_eq!(outputs.draw(last, &draw, &mut Sampler::default()).unwrap().token, token);
    assert!(outputs.draw(0, &draw, &mut Sampler::default()).is_none(), "a row without an output");
}

#[test]
fn each_step_gives_its_own_draws() {
    let Some((_turn, file, vocab)) = load() else { return };
    let mut device = device(&file, DrawOn::Device);
    let prompt = vocab.tokenize("The capital of France is", false);
    let (counts, last) = (Counts::new(), prompt.len() - 1);
    device.start(&(0..=last).map(|pos| row(&prompt, pos)).collect::<Vec<_>>()).unwrap();
    device.finish().unwrap();
    // Steps are drawn in different ways, by different graphs; one that has nothing to do must not repeat itself.
    let tokens = [greedy(), Sampling { temperature: 1.5, ..Sampling::default() }, greedy()].map(|sampling| {
        device.truncate(SlotId(0), last);
        device.start(&[row(&prompt, last)]).unwrap();
        let draw = Draw { mask: None, sampling: &sampling, counts: &counts, uniform: 0.999, logprobs: None };
        device.ask(&[Ask { row_idx: 0, draw }]);
        device.finish().unwrap().token(0).unwrap()
    });
    assert_ne!(tokens[1], tokens[0], "the draw is an unlikely one");
    assert_eq!(tokens[2], tokens[0]);
}

/// The probabilities that `sampling` means, from the model's log probabilities of the likeliest tokens, which come in
/// falling order; `None` is all the rest.
fn expected(logprobs: &[(TokenId, f32)], sampling: &Sampling) -> HashMap<Option<TokenId>, f64> {
    let weight = |logprob: f32| f64::from(logprob / sampling.temperature).exp();
    let mut kept: Vec<(TokenId, f64)> = logprobs.iter().map(|(token, logprob)| (*token, weight(*logprob))).collect();
    if sampling.top_k > 0 {
        kept.truncate(sampling.top_k);
    }
    let least = kept[0].1 * f64::from(sampling.min_p);
    kept.retain(|(_, weight)| *weight >= least);
    // Without any truncation the weights below those shown count too; at temperature 1 they sum to one.
    let is_whole = sampling.top_k == 0 && sampling.top_p >= 1.0 && sampling.min_p == 0.0;
    let total = if is_whole { 1.0 } else { kept.iter().map(|k| k.1).sum() };
    let enough = total * f64::from(sampling.top_p);
    let mut sum = 0.0;
    kept.retain(|(_, weight)| {
        let is_in = sum < enough;
        sum += weight;
        is_in
    });
    let total = if is_whole { 1.0 } else { kept.iter().map(|k| k.1).sum() };
    let mut shares: HashMap<_, _> = kept.iter().map(|(token, weight)| (Some(*token), weight / total)).collect();
    shares.insert(None, (1.0 - shares.values().sum::<f64>()).max(0.0));
    shares
}

fn row(prompt: &[TokenId], pos: usize) -> Row {
    Row { slot: SlotId(0), pos, token: prompt[pos], has_output: pos + 1 == prompt.len() }
}

#[test]
fn draws_on_the_device_follow_the_probabilities() {
    const N_DRAWS: u32 = 1000;
    let Some((_turn, file, vocab)) = load() else { return };
    let mut device = device(&file, DrawOn::Device);
    let slot = SlotId(0);
    let prompt = vocab.tokenize("My favourite animal is the", false);
    let counts = Counts::new();
    let last = prompt.len() - 1;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for (name, sampling) in [
        ("all tokens", Sampling::default()),
        ("top_k", Sampling { top_k: 12, temperature: 1.4, ..Sampling::default() }),
        ("top_p", Sampling { top_p: 0.6, temperature: 0.8, top_k: 100, ..Sampling::default() }),
        ("min_p", Sampling { min_p: 0.15, temperature: 1.2, ..Sampling::default() }),
    ] {
        device.truncate(slot, 0);
        let rows: Vec<Row> = (0..=last).map(|pos| row(&prompt, pos)).collect();
        device.start(&rows).unwrap();
        let ask = Draw { mask: None, sampling: &sampling, counts: &counts, uniform: 0.5, logprobs: Some(200) };
        let drawn = device.finish().unwrap().draw(last, &ask, &mut Sampler::default()).unwrap();
        let top: Vec<(TokenId, f32)> = drawn.logprobs.unwrap().top.iter().map(|t| (t.token, t.logprob)).collect();
        let expected = expected(&top, &sampling);
        assert!(device.can_draw(&sampling));
        let mut seen: HashMap<Option<TokenId>, u32> = HashMap::new();
        for _ in 0..N_DRAWS {
            device.truncate(slot, last);
            let draw = Draw { uniform: rng.random(), logprobs: None, ..ask };
            device.start(&[row(&prompt, last)]).unwrap();
            device.ask(&[Ask { row_idx: 0, draw }]);
            let token = device.finish().unwrap().token(0).unwrap();
            *seen.entry(Some(token).filter(|token| expected.contains_key(&Some(*token)))).or_default() += 1;
        }
        // Bins that expect fewer than five are pooled with the rest.
        let (mut chi_square, mut n_bins, mut pooled) = (0.0, 0u32, (0.0, 0.0));
        for (token, share) in &expected {
            let (wanted, got) = (share * f64::from(N_DRAWS), f64::from(seen.get(token).copied().unwrap_or(0)));
            if wanted < 5.0 || token.is_none() {
                pooled = (pooled.0 + wanted, pooled.1 + got);
            } else {
                chi_square += (got - wanted).powi(2) / wanted;
                n_bins += 1;
            }
        }
        if pooled.0 >= 5.0 {
            chi_square += (pooled.1 - pooled.0).powi(2) / pooled.0;
        } else {
            assert!(pooled.1 < 20.0, "{name}: {} draws outside of what is kept", pooled.1);
        }
        let n_free = f64::from(n_bins);
        eprintln!("{name}: chi-square {chi_square:.1} with {n_free} degrees of freedom");
        assert!(chi_square < n_free + 4.0 * (2.0 * n_free).sqrt(), "{name}: {chi_square} with {n_free}");
    }
}
