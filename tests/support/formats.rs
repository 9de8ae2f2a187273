//! The families' formats with small vocabularies, and answers in them.

use std::collections::HashMap;
use std::sync::Arc;

use drawplate::chat::{Said, Split, SplitOptions};
use drawplate::grammar::{Compiled, Matcher, Tokenizer, Verdict, Vocab, VocabToken};
use drawplate::guard::Encoding;
use drawplate::tools::Tool;
use drawplate::tools::format::{self, Family, ToolFormat};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

/// The families' formats, and answers in them: each with a vocabulary in which the family's tags are single tokens, and
/// with one in which they are text.
pub(crate) fn formats() -> Vec<(ToolFormat, Vocab)> {
    let mut formats = Vec::new();
    for family in Family::all() {
        for controls in [Vec::new(), tags_of(family)] {
            if controls.is_empty() && !family.text.1.is_empty() {
                // Only as a token does a tag end text.
                continue;
            }
            formats.push(format_of(family, controls));
        }
    }
    formats
}

/// A family's format with a vocabulary of bytes and these control tokens.
pub(crate) fn format_of(family: &Arc<Family>, controls: Vec<String>) -> (ToolFormat, Vocab) {
    let mut tokens: Vec<VocabToken> = (0..=255u8).map(|byte| VocabToken::Text(vec![byte])).collect();
    tokens.push(VocabToken::Control("</s>".into()));
    tokens.extend(["<think>", "</think>", "<|end|>", "<|start|>"].map(|name| VocabToken::Control(name.into())));
    tokens.extend(controls.into_iter().map(VocabToken::Control));
    let vocab = Vocab::new(tokens, vec![256], Arc::new(Bytes)).unwrap();
    (ToolFormat::new(Arc::clone(family), &vocab), vocab)
}

/// The family's tags that are tokens in its models.
pub(crate) fn tags_of(family: &Family) -> Vec<String> {
    let none = String::new();
    let texts = [
        &family.lead,
        &family.begin,
        &family.call,
        family.parameter.as_ref().unwrap_or(&none),
        &family.between,
        &family.end,
        &family.text.0,
        &family.text.1,
    ];
    let quotes = family.notation.map(|name| name.notation(|mark| mark.as_bytes().to_vec()).quotes);
    let marks = quotes.into_iter().flatten().filter(|quote| quote.is_raw).map(|quote| String::from_utf8(quote.mark));
    tags(&texts.map(String::as_str)).into_iter().chain(marks.map(Result::unwrap)).collect()
}

/// Tokens are bytes.
pub(crate) struct Bytes;

impl Tokenizer for Bytes {
    fn tokenize(&self, text: &[u8], _special: bool) -> Vec<u32> {
        text.iter().map(|byte| u32::from(*byte)).collect()
    }
}

/// What looks like a control token in a family's texts.
fn tags(texts: &[&str]) -> Vec<String> {
    let mut tags = Vec::new();
    for text in texts {
        for (open, close) in [
            ("<|", "|>"),
            ("<｜", "｜>"),
            ("｜DSML", "｜"),
            ("｜GCML", "｜"),
            ("]<]", "[>["),
            ("[TOOL_CALLS", "]"),
            ("[ARGS", "]"),
            ("[CALL_ID", "]"),
        ] {
            let mut rest = *text;
            while let Some(at) = rest.find(open)
                && let Some(n) = rest[at + open.len()..].find(close).map(|n| open.len() + n + close.len())
                && (open != "<｜" || !rest[at..at + n].contains("ML"))
            {
                tags.push(rest[at..at + n].to_owned());
                rest = &rest[at + n..];
            }
        }
        let is_arg = |tag: &&str| tag.trim_start_matches('/').starts_with("arg_") || tag.contains(':');
        let args = text.split('<').filter_map(|part| part.split_once('>')).map(|(tag, _)| tag).filter(is_arg);
        tags.extend(args.map(|tag| format!("<{tag}>")));
    }
    tags.sort();
    tags.dedup();
    tags
}

/// The tokens of `text`, in which names of control tokens mean the tokens.
pub(crate) fn tokens_of(text: &str, vocab: &Vocab) -> Vec<u32> {
    let mut tokens = Vec::new();
    for (i, part) in vocab.wire_of(text).split(|byte| *byte == 0xFF).enumerate() {
        let mut part = part;
        if i > 0 {
            let end = part.iter().position(|byte| *byte == b']').unwrap();
            tokens.push(std::str::from_utf8(&part[1..end]).unwrap().parse().unwrap());
            part = &part[end + 1..];
        }
        tokens.extend(part.iter().map(|byte| u32::from(*byte)));
    }
    tokens
}

/// What the tokens of an answer say.
pub(crate) fn take_apart(tokens: &[u32], vocab: &Vocab, options: &SplitOptions) -> Said {
    let mut split = Split::new(options.clone());
    let mut deltas = Vec::new();
    for token in tokens {
        deltas.extend(match vocab.bytes(*token) {
            b"" => split.push_control(&vocab.wire(*token)).unwrap(),
            bytes => split.push(bytes).unwrap(),
        });
    }
    deltas.extend(split.finish(false).unwrap());
    deltas.iter().collect()
}

/// The same where bytes come `n` at a time.
pub(crate) fn take_apart_by(n: usize, tokens: &[u32], vocab: &Vocab, options: &SplitOptions) -> Said {
    let mut split = Split::new(options.clone());
    let mut deltas = Vec::new();
    let mut piece = Vec::new();
    for token in tokens {
        piece.extend_from_slice(vocab.bytes(*token));
        let is_control = vocab.bytes(*token).is_empty();
        if is_control || piece.len() >= n {
            deltas.extend(split.push(&std::mem::take(&mut piece)).unwrap());
        }
        if is_control {
            deltas.extend(split.push_control(&vocab.wire(*token)).unwrap());
        }
    }
    deltas.extend(split.push(&piece).unwrap());
    deltas.extend(split.finish(false).unwrap());
    deltas.iter().collect()
}

/// The tokens of a random model that takes `n_tokens` at most.
pub(crate) fn wander(matcher: &mut Matcher, vocab: &Vocab, n_tokens: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut tokens = Vec::new();
    while tokens.len() < n_tokens && !matcher.is_stopped() {
        let mut mask = matcher.mask().unwrap();
        let mut taken = false;
        while !taken && mask.n_allowed() > 0 {
            let mut allowed = Vec::new();
            mask.for_each(|token| allowed.push(token));
            // Marks and letters as often as all the rest, or nothing but noise would be written.
            let is_plain = |token: &u32| matches!(vocab.bytes(*token), [byte] if b"<>/\n\"{}[],:0a".contains(byte));
            let plain: Vec<u32> = allowed.iter().copied().filter(is_plain).collect();
            let from = if rng.random_bool(0.5) && !plain.is_empty() { &plain } else { &allowed };
            let token = from[rng.random_range(0..from.len())];
            taken = !vocab.is_end(token) && matcher.accept(token).unwrap() == Verdict::Taken;
            if taken {
                tokens.push(token);
            }
            mask.forbid(token);
        }
        if !taken {
            break;
        }
    }
    tokens
}

/// How the arguments of each tool are written, where they are not written as JSON.
pub(crate) fn encodings(tools: &[Tool], compiled: &Compiled) -> HashMap<String, Arc<Encoding>> {
    let encoding = |(i, tool): (usize, &Tool)| {
        Some((tool.name.clone(), Arc::clone(compiled.encodings.get(&format::schema_name(i))?)))
    };
    tools.iter().enumerate().filter_map(encoding).collect()
}
