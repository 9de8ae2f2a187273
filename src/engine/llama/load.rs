//! Reads a GGUF file: checks that it is one, loads it with progress, gives its metadata.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;

use super::place::load;
use crate::engine::Placement;
use crate::grammar::{Vocab, VocabError};

/// A model file that cannot be used, with the reason in one line.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be opened or read.
    #[error("cannot read the model file '{}': {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// It does not begin like a GGUF file.
    #[error("'{}' is not a GGUF model: {why}", path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// llama.cpp refuses it.
    #[error("llama.cpp cannot load '{}': {why}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What llama.cpp logged.
        why: String,
    },
    /// Its vocabulary cannot carry masks.
    #[error("'{}' cannot be served: {source}", path.display())]
    Vocab {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: VocabError,
    },
    /// The devices asked for are not there.
    #[error("{0}")]
    Placement(String),
    /// The processor lacks an instruction set that this build uses.
    #[error(
        "this build of drawplate needs a processor with {0}; build it on this machine, or with the feature 'dynamic-backends'"
    )]
    Processor(&'static str),
    /// llama.cpp does not start.
    #[error("llama.cpp does not start: {0}")]
    Backend(String),
}

/// A model in memory. It lives as long as the process: the engine's thread and the tokenizer share it.
pub type Model = &'static LlamaModel;

/// A loaded file with what the server must know of it.
pub struct LlamaFile {
    /// The weights.
    pub model: Model,
    /// Whether the layer that gives logits is on a GPU.
    pub(super) is_on_gpu: bool,
    vocab: Option<Vocab>,
    /// The chat template, if the file has one.
    pub chat_template: Option<String>,
    /// The one for conversations with tools, if the file has that, too.
    pub tool_template: Option<String>,
    /// Text of the begin-of-sequence token, for templates.
    pub bos_text: String,
    /// Text of the end-of-sequence token, for templates.
    pub eos_text: String,
    /// Context length that the model was trained for.
    pub n_ctx_train: usize,
    /// Whether prompts begin with the begin-of-sequence token even if the template does not write it.
    pub adds_bos: bool,
}

impl LlamaFile {
    /// Loads `path` where `placement` says; `progress` hears numbers from 0 to 1.
    ///
    /// # Errors
    /// In one line that names the file and the reason.
    pub fn load(path: &Path, placement: &Placement, progress: impl FnMut(f32)) -> Result<Self, LoadError> {
        check_processor()?;
        check_header(path)?;
        backend(placement.cuda_graphs)?;
        let placed = placement.place(path).map_err(LoadError::Placement)?;
        let model = load(path, &placed, progress)
            .ok_or_else(|| LoadError::Refused { path: path.to_owned(), why: refusal(path) })?;
        // Why: one model per process, needed until its end; a leak makes the lifetimes of thread and tokenizer simple.
        let model: Model = Box::leak(Box::new(model));
        let vocab = super::vocab::read(model).map_err(|source| LoadError::Vocab { path: path.to_owned(), source })?;
        let piece = |token: llama_cpp_2::token::LlamaToken| match token.0 {
            ..0 => String::new(),
            _ => String::from_utf8_lossy(&model.vocab().token_to_piece(token, true, None)).into_owned(),
        };
        Ok(Self {
            chat_template: model.chat_template(None).ok().and_then(|t| t.to_string().ok()),
            // Why by its key: llama-cpp-2 0.1 hands on a name that it has freed.
            tool_template: model.meta_val_str("tokenizer.chat_template.tool_use").ok(),
            bos_text: piece(model.vocab().bos()),
            eos_text: piece(model.vocab().eos()),
            n_ctx_train: usize::try_from(model.n_ctx_train()).unwrap_or(usize::MAX).max(1),
            adds_bos: model.vocab().should_add_bos(),
            model,
            is_on_gpu: placed.is_on_gpu,
            vocab: Some(vocab),
        })
    }

    /// Gives the vocabulary away; once.
    ///
    /// # Panics
    /// If it was taken before.
    pub fn take_vocab(&mut self) -> Vocab {
        self.vocab.take().expect("the vocabulary is taken once")
    }
}

/// Starts llama.cpp once per process, its log going to `tracing`.
fn backend(cuda_graphs: bool) -> Result<&'static LlamaBackend, LoadError> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    let started = BACKEND.get_or_init(|| {
        llama_cpp_2::send_logs_to_tracing(llama_cpp_2::LogOptions::default());
        if !cuda_graphs {
            super::place::forbid_cuda_graphs();
        }
        #[cfg(feature = "dynamic-backends")]
        super::loadable::load();
        LlamaBackend::init().map_err(|e| e.to_string())
    });
    started.as_ref().map_err(|e| LoadError::Backend(e.clone()))
}

/// Turns a missing instruction set into a sentence instead of SIGILL.
///
/// Source: the build script of llama-cpp-sys-2 0.1.161 builds for AVX2, FMA, F16C and BMI2 on x86-64 unless told otherwise.
#[cfg(all(target_arch = "x86_64", not(feature = "dynamic-backends")))]
fn check_processor() -> Result<(), LoadError> {
    for (has, name) in [
        (is_x86_feature_detected!("avx2"), "AVX2"),
        (is_x86_feature_detected!("fma"), "FMA"),
        (is_x86_feature_detected!("f16c"), "F16C"),
        (is_x86_feature_detected!("bmi2"), "BMI2"),
    ] {
        if !has {
            return Err(LoadError::Processor(name));
        }
    }
    Ok(())
}

#[cfg(not(all(target_arch = "x86_64", not(feature = "dynamic-backends"))))]
fn check_processor() -> Result<(), LoadError> {
    Ok(())
}

/// Source: GGUF specification, <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>: magic, then version.
fn check_header(path: &Path) -> Result<(), LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let not_gguf = |why: String| LoadError::NotGguf { path: path.to_owned(), why };
    let mut file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(not_gguf("it is a directory".into()));
    }
    let mut header = [0u8; 24];
    let mut n_read = 0;
    while n_read < header.len() {
        match file.read(&mut header[n_read..]).map_err(unreadable)? {
            0 => break,
            n => n_read += n,
        }
    }
    if !header[..n_read].starts_with(b"GGUF") {
        let found: String = header[..n_read.min(4)].iter().map(|b| format!("{b:02x}")).collect();
        return Err(not_gguf(format!("it begins with the bytes '{found}' instead of 'GGUF'")));
    }
    if n_read < header.len() {
        return Err(not_gguf(format!("it is truncated after {n_read} bytes")));
    }
    Ok(())
}

/// llama.cpp does not say why; the usual cause is a file that was not downloaded to its end.
fn refusal(path: &Path) -> String {
    let n_bytes = std::fs::metadata(path).map_or(0, |m| m.len());
    format!(
        "the file has {n_bytes} bytes, and may be truncated, damaged, or of an architecture this version does not know"
    )
}
