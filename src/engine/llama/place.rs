//! Which devices hold the model: GPUs by name, how many layers, how they are split.

#![expect(unsafe_code, reason = "calls of llama.cpp's C interface")]

use std::ffi::{CString, c_void};
use std::path::Path;
use std::ptr::NonNull;

use llama_cpp_2::gguf::GgufContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::{LlamaBackendDevice, LlamaBackendDeviceType, list_llama_ggml_backend_devices};
use llama_cpp_sys_2 as sys;

use crate::engine::{GpuLayers, Placement};

/// A placement on devices that exist.
pub(super) struct Placed {
    n_gpu_layers: i32,
    /// Indices among llama.cpp's devices.
    devices: Vec<usize>,
    tensor_split: Vec<f32>,
    /// Whether the layer that gives logits is on a GPU.
    pub(super) is_on_gpu: bool,
}

impl Placement {
    /// Finds the devices.
    ///
    /// # Errors
    /// In one line, if one does not exist.
    pub(super) fn place(&self, path: &Path) -> Result<Placed, String> {
        let all = list_llama_ggml_backend_devices();
        let is_gpu = |device: &&LlamaBackendDevice| {
            matches!(device.device_type, LlamaBackendDeviceType::Gpu | LlamaBackendDeviceType::IntegratedGpu)
        };
        let gpus: Vec<&LlamaBackendDevice> = if self.devices.is_empty() {
            all.iter().filter(is_gpu).collect()
        } else {
            let find = |name: &String| {
                let found = all.iter().find(|device| device.name.eq_ignore_ascii_case(name));
                found.filter(is_gpu).ok_or_else(|| unknown(name, &all))
            };
            self.devices.iter().map(find).collect::<Result<_, _>>()?
        };
        if !self.tensor_split.is_empty() && self.tensor_split.len() != gpus.len() {
            let (n_shares, n_gpus) = (self.tensor_split.len(), gpus.len());
            return Err(format!("--tensor-split has {n_shares} shares for {n_gpus} GPUs; {}", available(&all)));
        }
        if gpus.is_empty() {
            match self.gpu_layers {
                GpuLayers::Count(1..) => return Err(format!("--gpu-layers: no GPU can be used: {}", why_no_gpu())),
                // Why a warning: such a build was made for a GPU, and slowness would be the only sign that it has none.
                GpuLayers::Auto if !gpu_backends().is_empty() => tracing::warn!("no GPU can be used: {}", why_no_gpu()),
                GpuLayers::Auto | GpuLayers::Count(0) => {}
            }
        }
        let n_layers = n_layers(path);
        let n_gpu_layers = match self.gpu_layers {
            _ if gpus.is_empty() => 0,
            GpuLayers::Count(n) => i32::try_from(n).unwrap_or(-1),
            GpuLayers::Auto => n_fitting(path, n_layers, gpus.iter().map(|gpu| gpu.memory_free as u64).sum()),
        };
        Ok(Placed {
            n_gpu_layers,
            devices: if n_gpu_layers == 0 { Vec::new() } else { gpus.iter().map(|gpu| gpu.index).collect() },
            tensor_split: self.tensor_split.clone(),
            is_on_gpu: n_gpu_layers < 0 || n_layers.is_some_and(|n| n_gpu_layers > n),
        })
    }
}

/// Keeps CUDA from recording graphs; before it is loaded.
pub(super) fn forbid_cuda_graphs() {
    if cfg!(any(feature = "cuda", feature = "dynamic-backends")) {
        // SAFETY: llama.cpp is not started yet, so nothing reads the environment outside of Rust, which locks it.
        unsafe { std::env::set_var("GGML_CUDA_DISABLE_GRAPHS", "1") }
    }
}

/// The GPU backends that are there, in this build or beside it.
fn gpu_backends() -> Vec<String> {
    #[cfg(feature = "dynamic-backends")]
    return super::loadable::gpu_backends();
    #[cfg(not(feature = "dynamic-backends"))]
    BUILT_IN.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(not(feature = "dynamic-backends"))]
const BUILT_IN: &[&str] = &[
    #[cfg(feature = "cuda")]
    "cuda",
    #[cfg(feature = "vulkan")]
    "vulkan",
    #[cfg(feature = "metal")]
    "metal",
    #[cfg(feature = "rocm")]
    "rocm",
];

fn why_no_gpu() -> String {
    match gpu_backends().as_slice() {
        [] if cfg!(feature = "dynamic-backends") => {
            "no GPU backend is loaded; its library goes beside the program: scripts/build-backend makes it".into()
        }
        [] => "this build has no GPU backend; build it with --features cuda, vulkan, metal or rocm".into(),
        there => format!(
            "this build has {}, which found no device. Is the driver installed, and is the device visible to this process? \
             --log llama-cpp-2=info says what llama.cpp saw",
            there.join(" and ")
        ),
    }
}

fn unknown(name: &str, all: &[LlamaBackendDevice]) -> String {
    format!(
        "--devices {name}: there is no such GPU; {}. A backend whose library cannot be loaded is not listed: \
         --log llama-cpp-2=info says why",
        available(all)
    )
}

fn available(all: &[LlamaBackendDevice]) -> String {
    let names: Vec<String> = all.iter().map(|device| format!("{} ({})", device.name, device.description)).collect();
    format!("available: {}", names.join(", "))
}

/// The devices that this build can use, each in a few words.
#[must_use]
pub fn devices() -> Vec<String> {
    let one = |device: &LlamaBackendDevice| {
        let mib = device.memory_free >> 20;
        format!("{}: {}, {mib} MiB free, by {}", device.name, device.description, device.backend)
    };
    list_llama_ggml_backend_devices().iter().map(one).collect()
}

fn n_layers(path: &Path) -> Option<i32> {
    let gguf = GgufContext::from_file(path)?;
    let architecture = gguf.val_str(Some(gguf.find_key("general.architecture")).filter(|i| *i >= 0)?)?.to_owned();
    let key = Some(gguf.find_key(&format!("{architecture}.block_count"))).filter(|i| *i >= 0)?;
    i32::try_from(gguf.val_u32(key)).ok()
}

/// The layers that fit into `n_free` bytes, with room for the cache and the computation; -1 for all.
fn n_fitting(path: &Path, n_layers: Option<i32>, n_free: u64) -> i32 {
    const RESERVE: u64 = 512 << 20;
    let n_bytes = std::fs::metadata(path).map_or(0, |m| m.len());
    let n_usable = (n_free / 10 * 8).saturating_sub(RESERVE);
    match n_layers {
        _ if n_bytes <= n_usable => -1,
        Some(n_layers) => {
            let n_whole = u64::from(n_layers.unsigned_abs()) * n_usable / n_bytes.max(1);
            i32::try_from(n_whole).unwrap_or(0)
        }
        None => 0,
    }
}

/// Loads a model; nothing, if llama.cpp refuses it.
pub(super) fn load(path: &Path, placed: &Placed, mut progress: impl FnMut(f32)) -> Option<LlamaModel> {
    let path = CString::new(path.to_str()?).ok()?;
    // SAFETY: takes nothing, gives a plain struct (llama.h).
    let mut params = unsafe { sys::llama_model_default_params() };
    let mut devices: Vec<sys::ggml_backend_dev_t> = placed
        .devices
        .iter()
        // SAFETY: indices came from the list of devices, which never shrinks.
        .map(|index| unsafe { sys::ggml_backend_dev_get(*index) })
        .chain([std::ptr::null_mut()])
        .collect();
    // SAFETY: gives a number.
    let mut split = vec![0.0; unsafe { sys::llama_max_devices() }];
    split.iter_mut().zip(&placed.tensor_split).for_each(|(to, share)| *to = *share);
    params.n_gpu_layers = placed.n_gpu_layers;
    if !placed.devices.is_empty() {
        params.devices = devices.as_mut_ptr();
    }
    if !placed.tensor_split.is_empty() {
        params.tensor_split = split.as_ptr();
    }
    let mut progress: &mut dyn FnMut(f32) = &mut progress;
    params.progress_callback = Some(report);
    params.progress_callback_user_data = (&raw mut progress).cast::<c_void>();
    // SAFETY: path, devices, split and progress outlive the call, which does not keep them.
    let model = NonNull::new(unsafe { sys::llama_model_load_from_file(path.as_ptr(), params) })?;
    const {
        assert!(size_of::<LlamaModel>() == size_of::<NonNull<sys::llama_model>>(), "see context::model_ptr");
    }
    // SAFETY: in the pinned llama-cpp-2 a LlamaModel is a NonNull<llama_model> and nothing else, and owns it.
    Some(unsafe { std::mem::transmute::<NonNull<sys::llama_model>, LlamaModel>(model) })
}

unsafe extern "C" fn report(share: f32, progress: *mut c_void) -> bool {
    // SAFETY: the pointer is the one given in `load`, alive during the call.
    let progress = unsafe { &mut *progress.cast::<&mut dyn FnMut(f32)>() };
    progress(share);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_named_with_those_that_are() {
        let placement = Placement { devices: vec!["CUDA7".into()], ..Placement::default() };
        let error = placement.place(Path::new("none")).err().expect("no such GPU");
        assert!(error.contains("CUDA7") && error.contains("available:"), "{error}");
        if gpu_backends().is_empty() {
            let layers = Placement { gpu_layers: GpuLayers::Count(7), ..Placement::default() };
            let error = layers.place(Path::new("none")).err().expect("no GPU");
            assert!(error.starts_with("--gpu-layers") && error.contains("no GPU backend"), "{error}");
        }
        let split = Placement { tensor_split: vec![1.0; 9], ..Placement::default() };
        assert!(split.place(Path::new("none")).err().expect("nine shares").contains("9 shares"));
    }
}
