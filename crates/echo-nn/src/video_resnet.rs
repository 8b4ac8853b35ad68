//! R(2+1)D (Tran et al., "A closer look at spatiotemporal convolutions for action recognition", CVPR 2018), without pooling and
//! classifier: a residual network for video whose convolutions are of rows and columns first, then of time.
//!
//! After torchvision's `VideoResNet`. Volumes are channels-last. Norms keep their statistics, see [`FrozenBatchNorm`].

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use echo_kernels as kernels;

use crate::FrozenBatchNorm;

/// Sizes of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoResNetConfig {
    /// Channels between the two convolutions of the stem.
    pub stem: usize,
    /// Blocks in each layer.
    pub depths: [usize; 4],
    /// Channels in each layer; the stem gives as many as the first.
    pub widths: [usize; 4],
}

impl VideoResNetConfig {
    /// R(2+1)D-18.
    pub const fn r18() -> Self {
        Self { stem: 45, depths: [2; 4], widths: [64, 128, 256, 512] }
    }

    /// Channels of the output.
    pub const fn width(&self) -> usize {
        self.widths[3]
    }

    /// The network with constant parameters.
    pub fn init(&self, device: &Device) -> VideoResNet {
        let layer = |index: usize| {
            let input = self.widths[index.saturating_sub(1)];
            let output = self.widths[index];
            let stride = if index == 0 { 1 } else { 2 };
            let block = |block: usize| match block {
                0 => Block::new(input, output, stride, device),
                _ => Block::new(output, output, 1, device),
            };
            (0..self.depths[index]).map(block).collect()
        };
        VideoResNet {
            stem: Factorised {
                spatial: conv([3, self.stem], [1, 7, 7], [1, 2, 2], device),
                spatial_norm: FrozenBatchNorm::new(self.stem, device),
                temporal: conv([self.stem, self.widths[0]], [3, 1, 1], [1; 3], device),
                norm: FrozenBatchNorm::new(self.widths[0], device),
            },
            layer1: layer(0),
            layer2: layer(1),
            layer3: layer(2),
            layer4: layer(3),
        }
    }
}

/// The network up to its last feature map.
#[derive(Module, Debug)]
pub struct VideoResNet {
    stem: Factorised,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
}

/// Two convolutions in place of one over three axes, each with a norm.
#[derive(Module, Debug)]
struct Factorised {
    spatial: Convolution,
    spatial_norm: FrozenBatchNorm,
    temporal: Convolution,
    norm: FrozenBatchNorm,
}

#[derive(Module, Debug)]
struct Block {
    conv1: Factorised,
    conv2: Factorised,
    downsample: Option<Downsample>,
}

#[derive(Module, Debug)]
struct Downsample {
    conv: Convolution,
    norm: FrozenBatchNorm,
}

impl VideoResNet {
    /// - clips: `[batch, 3, frames, height, width]`
    /// - output: `[batch, frames / 8, height / 16, width / 16, channels]`, rounded up at every halving
    pub fn forward(&self, clips: Tensor<5>) -> Tensor<5> {
        let x = relu(self.stem.forward(clips.permute([0, 2, 3, 4, 1])));
        let blocks = [&self.layer1, &self.layer2, &self.layer3, &self.layer4].into_iter().flatten();
        blocks.fold(x, |x, block| kernels::recomputed(block, x, Block::forward))
    }
}

impl Block {
    fn new(input: usize, output: usize, stride: usize, device: &Device) -> Self {
        // As many as give the parameters of a convolution over three axes; both pairs have those of the block's first.
        let between = (input * output * 27) / (input * 9 + 3 * output);
        let factorised = |input: usize, stride: usize| Factorised {
            spatial: conv([input, between], [1, 3, 3], [1, stride, stride], device),
            spatial_norm: FrozenBatchNorm::new(between, device),
            temporal: conv([between, output], [3, 1, 1], [stride, 1, 1], device),
            norm: FrozenBatchNorm::new(output, device),
        };
        Self {
            conv1: factorised(input, stride),
            conv2: factorised(output, 1),
            downsample: (stride != 1 || input != output).then(|| Downsample {
                conv: conv([input, output], [1; 3], [stride; 3], device),
                norm: FrozenBatchNorm::new(output, device),
            }),
        }
    }

    /// `[batch, time, rows, columns, input]` -> `[batch, ..., output]`
    fn forward(&self, input: Tensor<5>) -> Tensor<5> {
        let x = relu(self.conv1.forward(input.clone()));
        let x = self.conv2.forward(x);
        let shortcut = match &self.downsample {
            Some(Downsample { conv, norm }) => convolved(input, conv, norm),
            None => input,
        };
        relu(x + shortcut)
    }
}

impl Factorised {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let x = relu(convolved(x, &self.spatial, &self.spatial_norm));
        convolved(x, &self.temporal, &self.norm)
    }
}

/// A convolution without bias, padded so that strides alone make its result smaller.
///
/// Its weight is a matrix, `[filters, channels * taps]`, so that what adds to matrices (LoRA) can add to it.
#[derive(Module, Debug)]
struct Convolution {
    weight: Param<Tensor<2>>,
    kernel: [usize; 3],
    stride: [usize; 3],
}

/// A convolution and its norm.
fn convolved(x: Tensor<5>, conv: &Convolution, norm: &FrozenBatchNorm) -> Tensor<5> {
    let (weight, bias) = norm.fold(conv.weight.val());
    let [filters, inputs] = weight.dims();
    let [time, rows, columns] = conv.kernel;
    let weight = weight.reshape([filters, inputs / (time * rows * columns), time, rows, columns]);
    kernels::convolution(x, weight, Some(bias), conv.stride, conv.kernel.map(|side| side / 2))
}

fn conv([input, output]: [usize; 2], kernel: [usize; 3], stride: [usize; 3], device: &Device) -> Convolution {
    let taps: usize = kernel.iter().product();
    Convolution { weight: Initializer::Zeros.init([output, input * taps], device), kernel, stride }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r18_has_the_published_number_of_parameters() {
        let statistics = |norms: usize| 2 * norms;
        // Channels of all norms: the stem, then of every layer between and after its convolutions and its shortcut.
        let norms = [
            45 + 64,
            4 * 144 + 4 * 64,
            2 * (230 + 288) + 5 * 128,
            2 * (460 + 576) + 5 * 256,
            2 * (921 + 1152) + 5 * 512,
        ];
        let count = VideoResNetConfig::r18().init(&Device::flex()).num_params();
        // torchvision's r2plus1d_18 has 31,505,325 with a classifier of 400.
        assert_eq!(count, 31_505_325 - 513 * 400 + statistics(norms.iter().sum()));
    }

    #[test]
    fn volumes_shrink_by_their_strides_rounded_up() {
        let config = VideoResNetConfig { stem: 2, depths: [1; 4], widths: [2, 3, 4, 5] };
        let network = config.init(&Device::flex());
        for ([frames, height, width], expected) in [([16, 32, 64], [2, 2, 4]), ([1, 33, 1], [1, 3, 1])] {
            let map = network.forward(Tensor::zeros([1, 3, frames, height, width], &Device::flex()));
            let [time, rows, columns] = expected;
            assert_eq!(map.dims(), [1, time, rows, columns, 5]);
        }
    }
}
