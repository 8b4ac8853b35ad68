//! Random weights, on request only.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use echo_random::Stream;

/// Standard deviation of embedding tables and of matrices that belong to no layer.
const TABLE_STD: f64 = 0.02;

/// Fills every tensor of rank two or more with independent normal values; vectors (biases, norms, layer scale) keep
/// the constants that the network was built with.
///
/// Layers are scaled to keep the variance of their input, `1 / sqrt(fan in)`; embedding tables and free matrices get
/// a standard deviation of 0.02. A value depends on the seed, the parameter's path and its position alone.
pub fn randomize<M: Module>(module: M, seed: u64) -> M {
    module.map(&mut Randomizer { seed, path: Vec::new(), containers: Vec::new() })
}

/// Hash of every floating-point parameter's path, shape and values.
///
/// A seed alone does not say which values it gave: another architecture makes others of it.
pub(crate) fn fingerprint<M: Module>(module: &M) -> blake3::Hash {
    let mut fingerprint = Fingerprint { hasher: blake3::Hasher::new(), path: Vec::new() };
    module.visit(&mut fingerprint);
    fingerprint.hasher.finalize()
}

struct Fingerprint {
    hasher: blake3::Hasher,
    path: Vec<String>,
}

impl ModuleVisitor for Fingerprint {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.val().into_data();
        self.hasher.update(format!("{} {:?}\n", self.path.join("."), data.shape()).as_bytes());
        self.hasher.update(data.as_bytes());
    }
}

struct Randomizer {
    seed: u64,
    path: Vec<String>,
    containers: Vec<String>,
}

impl ModuleMapper for Randomizer {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
        self.containers.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D < 2 {
            return param;
        }
        let shape = param.lazy_shape();
        let dims = shape.to_vec();
        let layer = self.containers.iter().rev().find(|container| container.starts_with("Struct:"));
        let fan_in = match layer.map(String::as_str) {
            Some("Struct:Linear") => Some(dims[0]),
            // Of its matrix, one row a filter.
            Some("Struct:Convolution") => Some(dims[1]),
            Some("Struct:Conv2d" | "Struct:Conv3d") => Some(dims[1..].iter().product()),
            _ => None,
        };
        let std = fan_in.map_or(TABLE_STD, |fan_in: usize| 1.0 / (fan_in as f64).sqrt());
        let mut stream = Stream::new(self.seed, &format!("init/{}", self.path.join(".")), 0);
        let values: Vec<f32> = (0..shape.num_elements()).map(|_| (std * stream.normal()) as f32).collect();
        let device = param.lazy_device();
        let (id, value, mapper) = param.consume();
        drop(value);
        Param::from_mapped_value(id, Tensor::from_data(TensorData::new(values, shape), &device), mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Initializer, Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    fn linear() -> Linear {
        LinearConfig::new(400, 300).with_initializer(Initializer::Zeros).init(&Device::flex())
    }

    #[test]
    fn values_follow_the_seed_and_keep_the_variance_of_the_input() {
        let weights = |seed| randomize(linear(), seed).weight.val().into_data().try_to_vec::<f32>().unwrap();
        let first = weights(1);
        assert_eq!(first, weights(1));
        assert_ne!(first, weights(2));
        let variance = first.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / first.len() as f64;
        // 1 / 400, to five standard errors: variance * sqrt(2 / 120000).
        assert!((variance * 400.0 - 1.0).abs() < 0.021, "{variance}");
    }

    #[test]
    fn a_fingerprint_tells_seeds_and_architectures_apart() {
        let of = |inputs, seed| {
            let layer = LinearConfig::new(inputs, 6).with_initializer(Initializer::Zeros).init(&Device::flex());
            fingerprint(&randomize(layer, seed))
        };
        assert_eq!(of(4, 1), of(4, 1));
        assert_ne!(of(4, 1), of(4, 2));
        assert_ne!(of(4, 1), of(5, 1));
    }

    #[test]
    fn vectors_keep_their_constants() {
        let bias = randomize(linear(), 1).bias.unwrap().val().into_data().try_to_vec::<f32>().unwrap();
        assert!(bias.iter().all(|&b| b == 0.0));
    }
}
