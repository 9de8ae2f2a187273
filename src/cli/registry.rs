//! `drawplate tools` and `drawplate schemas`: checks definitions, and changes what a running server knows by name.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use serde_json::{Value, json};

use super::definitions::{FromFile, read_all};
use super::schema_file::load_store;
use super::vocab::load_vocab;
use crate::api::read;
use crate::config::{RegistryCommand, ServerUrl};
use crate::generation::{Checked, PrepareError};
use crate::grammar::{Budget, Compiler};
use crate::registry::Kind;
use crate::schema::Limits;

/// Runs one of the commands.
pub(super) fn run(kind: Kind, command: &RegistryCommand) -> anyhow::Result<()> {
    match command {
        RegistryCommand::Check { paths, model, json, schemas } => {
            let compiler = Compiler::new(&*load_vocab(model)?, Budget::default())?;
            let store = load_store(schemas.as_deref())?;
            let check = |body: &Value| -> anyhow::Result<(String, Checked)> {
                let read = read(kind, body).map_err(|e| anyhow!("{e}"))?;
                let checked = read.subject.check(&compiler, Limits::default(), &store, Some(&read.examples));
                let checked = checked.map_err(|error| match error {
                    PrepareError::Example { param, message } => anyhow!("{kind} '{}': {param}: {message}", read.name),
                    other => anyhow!("{kind} '{}': {other}", read.name),
                })?;
                Ok((read.name, checked))
            };
            each(paths, |origin, body| match check(body) {
                Ok((name, checked)) if *json => print(&json!({"name": name, "source": origin, "check": checked})),
                Ok((name, checked)) => say(&format!("{origin}: {name}: {}", summary(&checked))),
                Err(error) => Err(error),
            })
        }
        RegistryCommand::Add { paths, server } => each(paths, |_, body| {
            let entry = ask(server, "POST", &format!("{kind}s"), Some(body))?;
            say(&format!("{}@{}", entry["name"].as_str().unwrap_or_default(), entry["version"]))
        }),
        RegistryCommand::List { server } => {
            let all = ask(server, "GET", &format!("{kind}s"), None)?;
            all["data"].as_array().into_iter().flatten().try_for_each(|line| {
                let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
                let description = text("description");
                let first = description.lines().next().unwrap_or_default();
                say(format!("{}@{}\t{}\t{first}", text("name"), line["version"], text("source")).trim_end())
            })
        }
        RegistryCommand::Show { name, version, server } => {
            let entry = ask(server, "GET", &path(kind, name, *version)?, None)?;
            say(&serde_json::to_string_pretty(&entry)?)
        }
        RegistryCommand::Remove { name, version, server } => {
            ask(server, "DELETE", &path(kind, name, *version)?, None).map(drop)
        }
    }
}

/// Takes all definitions, says what is wrong with each, and fails if something was.
fn each(paths: &[PathBuf], take: impl Fn(&str, &Value) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut n_wrong = 0;
    let mut n_all = 0;
    for path in paths {
        for FromFile { origin, body } in read_all(path)? {
            n_all += 1;
            if let Err(error) = take(&origin, &body) {
                n_wrong += 1;
                eprintln!("{origin}: refused: {error:#}");
            }
        }
    }
    if n_all == 0 {
        bail!("there is no definition in these folders");
    }
    if n_wrong > 0 {
        bail!("{n_wrong} of {n_all} definitions are refused");
    }
    Ok(())
}

fn summary(checked: &Checked) -> String {
    let report = &checked.enforcement;
    let guard = if report.needs_guard { ", with the guard" } else { "" };
    let trial = checked.trial.as_ref().map(|trial| {
        let sample = trial.samples.first().map(|sample| format!("; such as {sample}")).unwrap_or_default();
        format!("; {} values judged, {} allowed{sample}", trial.n_judged, trial.n_allowed)
    });
    format!("enforced exactly{guard}{}", trial.unwrap_or_default())
}

fn path(kind: Kind, name: &str, version: Option<u32>) -> anyhow::Result<String> {
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        bail!("'{name}' is no name: names are of letters, digits, _ and -");
    }
    Ok(format!("{kind}s/{name}{}", version.map(|version| format!("/{version}")).unwrap_or_default()))
}

/// Asks the server; its refusal is the error.
fn ask(server: &ServerUrl, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
    let url = format!("{}/{path}", server.url.trim_end_matches('/'));
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
    let request = ureq::http::Request::builder().method(method).uri(&url).header("content-type", "application/json");
    let request = request.body(body.map(Value::to_string).unwrap_or_default())?;
    let mut response = agent.run(request).with_context(|| format!("no answer from {url}; is the server running?"))?;
    let status = response.status();
    let answer: Value = response.body_mut().read_json().with_context(|| format!("{url}: status {status}"))?;
    match answer["error"]["message"].as_str() {
        Some(message) => Err(anyhow!("{message}")),
        None if !status.is_success() => Err(anyhow!("{url}: status {status}")),
        None => Ok(answer),
    }
}

fn print(value: &Value) -> anyhow::Result<()> {
    say(&value.to_string())
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
