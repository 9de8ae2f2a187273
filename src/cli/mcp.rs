//! The tools of an MCP server, for requests to refer to. The server is asked once, at start, and never called: who sends
//! the request runs the calls.

use std::time::Duration;

use rmcp::ServiceExt as _;
use rmcp::model::Tool;
use rmcp::transport::StreamableHttpClientTransport;
use serde_json::json;

use super::UsageError;
use crate::api::{AppState, register};
use crate::registry::Kind;

/// How long listing the tools may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Registers the tools of the server at `url` for as long as this one runs. One that cannot be enforced is left out, with
/// a warning: it is a stranger's, and must not take the others along.
pub(super) async fn register_all(state: &AppState, url: &str) -> Result<(), UsageError> {
    let wrong = |error: String| UsageError(format!("--mcp {url}: {error}"));
    let listed = tokio::time::timeout(PATIENCE, list(url)).await;
    let tools = listed.map_err(|_| wrong(format!("no list of tools came in {} seconds", PATIENCE.as_secs())))?;
    let origin = without_secrets(url);
    let mut n_registered = 0;
    for tool in tools.map_err(wrong)? {
        let mut body = json!({"name": tool.name, "parameters": *tool.input_schema});
        if let Some(description) = tool.description {
            body["description"] = description.into();
        }
        match register(state, Kind::Tool, &body, Some(&origin)).await {
            Ok(_) => n_registered += 1,
            Err(error) => tracing::warn!(tool = %tool.name, "left out of the tools of {origin}: {error}"),
        }
    }
    tracing::info!("{n_registered} tools of {origin} can be called by name");
    Ok(())
}

/// The address as clients may see it.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

async fn list(url: &str) -> Result<Vec<Tool>, String> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err("expected a URL with http:// or https://".to_owned());
    }
    // Another part of the process may have chosen one before, which is as good.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let client = ().serve(StreamableHttpClientTransport::from_uri(url)).await.map_err(|e| e.to_string())?;
    let tools = client.list_all_tools().await.map_err(|e| e.to_string());
    // Why: the answer is here; how the connection ends changes nothing.
    let _ended = client.cancel().await;
    tools
}
