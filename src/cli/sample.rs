//! `drawplate sample`: random values of a schema, a line of JSON each, to feed to whatever reads a model's answers.

use std::io::{ErrorKind, Write as _};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::schema_file::{SchemaFile, load_store, read_schema};
use crate::config::SampleArgs;
use crate::schema::{Document, Limits, Store};
use crate::testing::{Options, Sampler, TestingError};

/// Prints the values; a refused schema is an error.
pub(super) fn sample(args: &SampleArgs) -> anyhow::Result<()> {
    let SchemaFile { name, value: schema, .. } = read_schema(&args.schema)?;
    let store = load_store(args.schemas.as_deref())?;
    let options = Options { max_bytes: args.max_bytes, max_depth: args.max_depth };
    let sampler = sampler(schema, store, options).map_err(|error| anyhow!("{name}: refused: {error}"))?;
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut stdout = std::io::stdout().lock();
    for _ in 0..args.count {
        let value = if args.invalid {
            let mutant = sampler.mutant(&mut rng);
            mutant.with_context(|| format!("{name}: no small change of a valid value breaks the schema"))?
        } else {
            sampler.value(&mut rng)
        };
        match writeln!(stdout, "{value}") {
            // Why: `drawplate sample … | head` has seen enough; that is no failure.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    Ok(())
}

fn sampler(schema: Value, store: Arc<Store>, options: Options) -> Result<Sampler, TestingError> {
    let document = Document::parse_with(schema, Limits::default(), store)?;
    Sampler::of(Arc::new(document), options)
}
