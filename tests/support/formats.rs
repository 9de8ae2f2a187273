//! The families' formats with small vocabularies, and answers in them.

use std::collections::HashMap;
use std::sync::Arc;

use drawplate::chat::{ChatTemplate, Said, Split, SplitOptions};
use drawplate::grammar::{Compiled, Matcher, Tokenizer, Verdict, Vocab, VocabToken};
use drawplate::guard::Encoding;
use drawplate::tools::Tool;
use drawplate::tools::format::{self, Family, ToolFormat};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

/// Control tokens of every vocabulary here.
const USUAL: [&str; 4] = ["<think>", "</think>", "<|end|>", "<|start|>"];

/// The families' formats, and answers in them: each with a vocabulary in which the family's tags are single tokens, and
/// with one in which they are text.
pub(crate) fn formats() -> Vec<(ToolFormat, Vocab)> {
    formats_with(|family| tags(&texts_of(family), true).into_iter().chain(tags_of(family)).collect())
}

/// The same, where tokens are what looks like them in models of all kinds: `<|tag|>`, and not `<tag>`.
pub(crate) fn usual_formats() -> Vec<(ToolFormat, Vocab)> {
    formats_with(tags_of)
}

fn formats_with(tags_of: impl Fn(&Family) -> Vec<String>) -> Vec<(ToolFormat, Vocab)> {
    let mut formats = Vec::new();
    for family in Family::all() {
        for mut controls in [Vec::new(), tags_of(family)] {
            controls.sort();
            controls.dedup();
            if controls.is_empty() && !family.text.1.is_empty() {
                // Only as a token does a tag end text.
                continue;
            }
            formats.push(format_of(family, controls));
        }
    }
    formats
}

/// Templates that nobody knows, each with a format of its own.
pub(crate) fn unknown_templates() -> Vec<String> {
    let template = |begin: &str, call: &str, between: &str, end: &str| {
        format!(
            "{{% if tools %}}<|tools|>{{{{ tools | tojson }}}}<|end|>{{% endif %}}{{% for m in messages %}}<|{{{{ m.role }}}}|>\
             {{{{ m.content }}}}{{% if m.tool_calls %}}{begin}{{% for c in m.tool_calls %}}{call}{{% if not loop.last %}}\
             {between}{{% endif %}}{{% endfor %}}{end}{{% endif %}}<|end|>{{% endfor %}}<|assistant|>"
        )
    };
    let json = "{{ c.function.arguments | tojson if c.function.arguments is mapping else c.function.arguments }}";
    let each = |element: &str| {
        let value = "{{ v if v is string else v | tojson }}";
        format!("{{% for k, v in c.function.arguments.items() %}}{}{{% endfor %}}", element.replace("$V", value))
    };
    let python = "{% for k, v in c.function.arguments.items() %}{{ k }}={% if v is string %}'{{ v }}'{% else %}\
                  {{ v | tojson }}{% endif %}{% if not loop.last %}, {% endif %}{% endfor %}";
    let kind = "{{ 'true' if v is string else 'false' }}";
    [
        ("", format!("<fn name={{{{ c.function.name }}}}>{json}</fn>"), "\n", ""),
        ("<do>", format!("{{{{ c.function.name }}}}: {json};"), "", "</do>"),
        ("<do>\n", format!("<f {{{{ c.function.name }}}}>{}</f>", each("<{{ k }}>$V</>")), "\n", "\n</do>"),
        ("", format!("<run>{{{{ c.function.name }}}}{}\n</run>", each("\n<k>{{ k }}</k>\n<v>$V</v>")), "", ""),
        (
            "<all>",
            format!(
                "<f n=\"{{{{ c.function.name }}}}\">{}</f>",
                each(&format!("<p n=\"{{{{ k }}}}\" text=\"{kind}\">$V</p>"))
            ),
            "",
            "</all>",
        ),
        ("<py>[", format!("{{{{ c.function.name }}}}({python})"), ", ", "]</py>"),
        // As Hunyuan 4's, whose tags end in a word of the model's own, and Pangu's.
        (
            "<tool_calls:6124c78e>",
            format!(
                "<tool_call:6124c78e>{{{{ c.function.name }}}}{}</tool_call:6124c78e>",
                each("<arg_key:6124c78e>{{ k }}</arg_key:6124c78e><arg_value:6124c78e>$V</arg_value:6124c78e>")
            ),
            "",
            "</tool_calls:6124c78e>",
        ),
        (
            "[unused11][",
            format!("{{{{ '{{\"name\": \"' }}}}{{{{ c.function.name }}}}\", \"arguments\": {json}{{{{ '}}' }}}}"),
            ", ",
            "][unused12]",
        ),
        // Inkling's and Step 3's.
        (
            "",
            format!(
                "<|message_model|>{{{{ c.function.name }}}}<|content_invoke_tool_json|>{{{{ '{{\"name\": \"' }}}}{{{{ c.function.name }}}}\", \"args\": {json}{{{{ '}}' }}}}<|end_message|>"
            ),
            "",
            "",
        ),
        (
            "<｜tool_calls_begin｜>",
            format!(
                "<｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name=\"{{{{ c.function.name }}}}\">{}</steptml:invoke><｜tool_call_end｜>",
                each("<steptml:parameter name=\"{{ k }}\">$V</steptml:parameter>")
            ),
            "",
            "<｜tool_calls_end｜>",
        ),
    ]
    .into_iter()
    .map(|(begin, call, between, end)| template(begin, &call, between, end))
    .collect()
}

/// The formats that are read off those, with both vocabularies.
pub(crate) fn inferred_formats() -> Vec<(ToolFormat, Vocab)> {
    let family = |source: String| {
        let template = ChatTemplate::new(Some(&source), ("<s>", "</s>"), false, std::iter::empty()).unwrap();
        Arc::clone(&template.tools().family)
    };
    let families = unknown_templates().into_iter().map(family);
    families
        .flat_map(|family| [format_of(&family, Vec::new()), format_of(&family, tags(&texts_of(&family), true))])
        .collect()
}

/// A family's format with a vocabulary of bytes and these control tokens.
pub(crate) fn format_of(family: &Arc<Family>, controls: Vec<String>) -> (ToolFormat, Vocab) {
    let mut tokens: Vec<VocabToken> = (0..=255u8).map(|byte| VocabToken::Text(vec![byte])).collect();
    tokens.push(VocabToken::Control("</s>".into()));
    tokens.extend(USUAL.map(|name| VocabToken::Control(name.into())));
    tokens.extend(controls.into_iter().map(VocabToken::Control));
    let vocab = Vocab::new(tokens, vec![256], Arc::new(Bytes)).unwrap();
    (ToolFormat::new(Arc::clone(family), &vocab), vocab)
}

/// The family's tags that are tokens in its models.
pub(crate) fn tags_of(family: &Family) -> Vec<String> {
    let quotes = family.notation.map(|name| name.notation(|mark| mark.as_bytes().to_vec()).quotes);
    let marks = quotes.into_iter().flatten().filter(|quote| quote.is_raw).map(|quote| String::from_utf8(quote.mark));
    tags(&texts_of(family), false).into_iter().chain(marks.map(Result::unwrap)).collect()
}

fn texts_of(family: &Family) -> [&str; 8] {
    [
        &family.lead,
        &family.begin,
        &family.call,
        family.parameter.as_deref().unwrap_or_default(),
        &family.between,
        &family.end,
        &family.text.0,
        &family.text.1,
    ]
}

/// Tokens are bytes.
pub(crate) struct Bytes;

impl Tokenizer for Bytes {
    fn tokenize(&self, text: &[u8], _special: bool) -> Vec<u32> {
        text.iter().map(|byte| u32::from(*byte)).collect()
    }
}

/// What looks like a control token in a family's texts; with `is_wide`, every tag.
fn tags(texts: &[&str], is_wide: bool) -> Vec<String> {
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
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_:-|".contains(c);
        let is_tag = |tag: &&str| {
            let name = tag.trim_start_matches('/');
            let is_usual = name.starts_with("arg_") || name.contains(':');
            !name.is_empty() && !name.starts_with('|') && name.chars().all(is_name) && (is_wide || is_usual)
        };
        let words = text.split('<').filter_map(|part| part.split_once('>')).map(|(tag, _)| tag).filter(is_tag);
        tags.extend(words.map(|tag| format!("<{tag}>")));
    }
    tags.retain(|tag| !USUAL.contains(&tag.as_str()));
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
