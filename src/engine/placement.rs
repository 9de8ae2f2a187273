//! Where a model and its sampling go: which GPUs, how many layers, who draws tokens.

use std::str::FromStr;

/// How many layers go to GPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GpuLayers {
    /// As many as fit into the memory that is free there.
    #[default]
    Auto,
    /// So many.
    Count(u32),
}

impl FromStr for GpuLayers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "all" => Ok(Self::Count(u32::MAX)),
            _ => text.parse().map(Self::Count).map_err(|_| "expected auto, all or a number of layers".to_owned()),
        }
    }
}

/// Where a model is put.
#[derive(Clone, Debug, Default)]
pub struct Placement {
    /// How many layers go to GPUs.
    pub gpu_layers: GpuLayers,
    /// The GPUs by llama.cpp's names, as in CUDA0; empty for all.
    pub devices: Vec<String>,
    /// Shares of the layers, one per GPU; empty for shares by free memory.
    pub tensor_split: Vec<f32>,
    /// Whether CUDA may record graphs. Off, because the process then was seen to end with "an illegal instruction was
    /// encountered", as soon as the number of rows of a step had changed and stayed.
    pub cuda_graphs: bool,
}

/// Where tokens are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DrawOn {
    /// On the device if the model's last layer is on a GPU, else on the host.
    #[default]
    Auto,
    /// On the host.
    Host,
    /// On the device, where it can.
    Device,
}

/// How slots hold their KV cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum KvCells {
    /// Shared if the model's last layer is on a GPU, else own.
    #[default]
    Auto,
    /// Each slot has a lane of its own: what others do never moves a sequence's cells, so that a request that is alone
    /// gives the same text each time. A step in which slots add different numbers of tokens takes several runs of the
    /// graph.
    Own,
    /// All slots share one buffer: any mix of tokens is one run of the graph, and attention looks past the cells of all.
    Shared,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_counted_or_chosen() {
        assert_eq!("auto".parse(), Ok(GpuLayers::Auto));
        assert_eq!("all".parse(), Ok(GpuLayers::Count(u32::MAX)));
        assert_eq!("12".parse(), Ok(GpuLayers::Count(12)));
        assert!("-1".parse::<GpuLayers>().is_err());
    }
}
