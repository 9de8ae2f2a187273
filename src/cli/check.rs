//! `drawplate check`: what becomes of each keyword of a schema, before anyone serves it.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::lines::{Lines, line_of};
use super::schema_file::{SchemaFile, load_store, read_schema};
use super::vocab::load_vocab;
use crate::config::CheckArgs;
use crate::grammar::{Budget, Compiler, Fate, GrammarError, KeywordFate, Report, examine};
use crate::schema::{Document, ErrorKind, Limits, Pointer, SchemaError, Store};

/// Longer pointers push the columns after them to the right.
const MAX_WIDTH: usize = 60;

/// Compiles the schema and prints the report; a refused one is an error.
pub(super) fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let SchemaFile { name, text, value } = read_schema(&args.schema)?;
    let store = load_store(args.schemas.as_deref())?;
    let vocab = load_vocab(&args.model)?;
    let compiler = Compiler::new(&vocab, Budget::default())?;
    let result = judge(&compiler, value, store);
    let mut stdout = std::io::stdout();
    if args.json {
        writeln!(stdout, "{}", as_json(&result, &text))?;
    }
    let report = result.map_err(|error| {
        let line = line_of(&text, &error.pointer.to_string());
        anyhow::anyhow!("{name}: refused: {error}, line {line}")
    })?;
    if !args.json {
        writeln!(stdout, "{}", Readable { report: &report, lines: &Lines::of(&text) })?;
    }
    if args.strict && !report.strict.is_empty() {
        anyhow::bail!("{name}: OpenAI strict mode would refuse it for {} reasons", report.strict.len());
    }
    Ok(())
}

fn judge(compiler: &Compiler, value: Value, store: Arc<Store>) -> Result<Report, SchemaError> {
    let document = Document::parse_with(value, Limits::default(), store)?;
    examine(compiler, &Arc::new(document)).map_err(|error| match error {
        GrammarError::Schema { error, .. } => error,
        other => SchemaError::at(Pointer::default(), ErrorKind::Other(other.to_string())),
    })
}

fn as_json(result: &Result<Report, SchemaError>, text: &str) -> Value {
    match result {
        Ok(report) => json!({"enforced": true, "error": null, "report": report}),
        Err(error) => {
            let pointer = error.pointer.to_string();
            let line = line_of(text, &pointer);
            let message = error.kind.to_string();
            let error = json!({"pointer": pointer, "keyword": error.keyword, "message": message, "line": line});
            json!({"enforced": false, "error": error, "report": null})
        }
    }
}

/// The report for people.
struct Readable<'a> {
    report: &'a Report,
    lines: &'a Lines,
}

impl fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { keywords, is_cut, needs_guard, grammar_size, compile_ms, cheapest_tokens, strict } = self.report;
        writeln!(f, "enforced exactly\n")?;
        self.table(f, keywords)?;
        if *is_cut {
            writeln!(f, "and more keywords than are listed")?;
        }
        writeln!(f, "\ngrammar: {grammar_size} symbols, compiled in {compile_ms:.1} ms")?;
        match cheapest_tokens {
            Some(n) => writeln!(f, "shortest answer: {n} tokens")?,
            None => writeln!(f, "shortest answer: not known")?,
        }
        writeln!(f, "guard: {}\n", if *needs_guard { "needed" } else { "not needed" })?;
        if strict.is_empty() {
            return write!(f, "OpenAI strict mode would accept it");
        }
        write!(f, "OpenAI strict mode would refuse:")?;
        strict.iter().try_for_each(|finding| {
            let line = self.lines.line(&finding.pointer);
            write!(f, "\n  line {line}, #{}: {}", finding.pointer, finding.message)
        })
    }
}

impl Readable<'_> {
    fn table(&self, f: &mut fmt::Formatter<'_>, keywords: &[KeywordFate]) -> fmt::Result {
        let places = width(keywords, |one| &one.pointer, "pointer") + 1;
        let names = width(keywords, |one| &one.keyword, "keyword");
        writeln!(f, "{:>5}  {:places$}  {:names$}  {:10}  note", "line", "pointer", "keyword", "fate")?;
        for one in keywords {
            let line = self.lines.line(&one.pointer);
            let pointer = format!("#{}", one.pointer);
            let fate = match one.fate {
                Fate::Mask => "mask",
                Fate::Guard => "guard",
                Fate::Annotation => "annotation",
            };
            let note = one.note.as_deref().unwrap_or_default();
            let row = format!("{line:>5}  {pointer:places$}  {:names$}  {fate:10}  {note}", one.keyword);
            writeln!(f, "{}", row.trim_end())?;
        }
        Ok(())
    }
}

/// How wide a column is.
fn width(keywords: &[KeywordFate], text: fn(&KeywordFate) -> &str, title: &str) -> usize {
    let widths = keywords.iter().map(|one| text(one).chars().count());
    widths.filter(|n| *n <= MAX_WIDTH).max().unwrap_or(0).max(title.len())
}
