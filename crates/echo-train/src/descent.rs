//! Descending a loss: its gradients, clipped together, then one step of an optimizer.
//!
//! [`fit`](crate::fit) is built on it, and so is any other loop over a module that is no adapter.

use std::path::Path;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::optimizer::{Memory, Stepper};
use crate::{OptimizerConfig, Parameter, TrainError, gradients, parameters, read_tensors, values, with_values};

const STATE: &str = "state";
const PARAMETER: &str = "parameter/";
const MEMORY: &str = "optimizer/";

/// An optimizer over the trainable parameters of a module, with a limit on the norm of their gradients.
pub struct Descent {
    pub(crate) stepper: Stepper,
    clip_norm: Option<f64>,
    paths: Vec<String>,
}

/// What a file of [`Descent::save`] says beside its tensors.
#[derive(Serialize, Deserialize)]
struct Saved<S> {
    state: S,
    memory: Memory,
}

impl Descent {
    /// Over everything that trains in `module`; `clip_norm` is the largest norm of all gradients together.
    pub fn new<M: Module>(optimizer: &OptimizerConfig, clip_norm: Option<f64>, module: &M) -> Self {
        let trainable: Vec<Parameter> =
            parameters(module).into_iter().filter(|parameter| parameter.trainable).collect();
        Self::with_factors(optimizer, clip_norm, &trainable, |_| 1.0)
    }

    /// The same with a factor on each parameter's learning rate, by its path.
    pub(crate) fn with_factors(
        optimizer: &OptimizerConfig,
        clip_norm: Option<f64>,
        trainable: &[Parameter],
        factor: impl Fn(&str) -> f64,
    ) -> Self {
        let paths = trainable.iter().map(|parameter| parameter.path.clone()).collect();
        Self { stepper: Stepper::new(optimizer, trainable, factor), clip_norm, paths }
    }

    /// `module`, one step further down `loss`. Parameters that the loss does not depend on stay as they are.
    ///
    /// # Errors
    /// The norm of the gradients, when it is not finite.
    pub fn descend<M: Module>(&mut self, lr: f64, module: M, loss: Tensor<1>) -> Result<M, f64> {
        let gradients = GradientsParams::from_grads(loss.backward(), &module);
        self.step(lr, module, gradients)
    }

    pub(crate) fn step<M: Module>(&mut self, lr: f64, module: M, mut gradients: GradientsParams) -> Result<M, f64> {
        if let Some(limit) = self.clip_norm {
            let norm = gradients::clip_norm(&module, &mut gradients, limit);
            if !norm.is_finite() {
                return Err(norm);
            }
        }
        Ok(self.stepper.step(lr, module, gradients))
    }

    /// Writes the trained parameters of `module`, what the optimizer remembers and `state` to `file`. A kill at any
    /// instant leaves the old file or the new one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save<M: Module>(&self, module: &M, state: &impl Serialize, file: &Path) -> Result<(), TrainError> {
        let paths: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        let mut memory = self.stepper.memory();
        let named = |prefix: &'static str, tensors: Vec<(String, TensorData)>| {
            tensors.into_iter().map(move |(name, data)| (format!("{prefix}{name}"), data))
        };
        let mut tensors: Vec<(String, TensorData)> = named(PARAMETER, values(module, &paths)).collect();
        tensors.extend(named(MEMORY, std::mem::take(&mut memory.tensors)));
        let fail = |reason: String| TrainError::Checkpoint { path: file.to_owned(), reason };
        let saved = serde_json::to_string(&Saved { state, memory }).map_err(|error| fail(error.to_string()))?;
        crate::write_tensors(file, tensors, STATE, saved).map_err(|error| fail(error.to_string()))
    }

    /// `module` and the state that [`save`](Self::save) wrote to `file`, and the optimizer as it was then; nothing where
    /// there is no file.
    ///
    /// # Errors
    /// It cannot be read or is of another module.
    pub fn resume<M: Module, S: DeserializeOwned>(
        &mut self,
        module: &M,
        file: &Path,
        device: &Device,
    ) -> Result<Option<(M, S)>, TrainError> {
        let fail = |reason: String| TrainError::Checkpoint { path: file.to_owned(), reason };
        let (tensors, text) = match read_tensors(file, STATE) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error.to_string())),
        };
        let Saved { state, mut memory } = serde_json::from_str(&text).map_err(|error| fail(error.to_string()))?;
        let under = |prefix: &str| -> Vec<(String, TensorData)> {
            let named = tensors.iter().filter_map(|(name, data)| Some((name.strip_prefix(prefix)?, data)));
            named.map(|(name, data)| (name.to_owned(), data.clone())).collect()
        };
        let module = with_values(module.clone(), under(PARAMETER)).map_err(fail)?;
        memory.tensors = under(MEMORY);
        self.stepper.remember(memory, device).map_err(fail)?;
        Ok(Some((module, state)))
    }
}

impl std::fmt::Debug for Descent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Descent").field("clip_norm", &self.clip_norm).field("paths", &self.paths).finish()
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Initializer, Linear, LinearConfig};

    use super::*;

    fn layer() -> Linear {
        LinearConfig::new(2, 1).with_initializer(Initializer::Constant { value: 0.5 }).init(&Device::flex())
    }

    fn loss(layer: &Linear) -> Tensor<1> {
        let device = Device::flex();
        let x = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, -1.0]], &device);
        (layer.forward(x) - Tensor::from_floats([[4.0], [-3.0]], &device)).square().mean()
    }

    fn run(from: usize, to: usize, file: &Path) -> Vec<f32> {
        let optimizer = OptimizerConfig::AdamW { lr: 0.1, weight_decay: 0.01, betas: OptimizerConfig::BETAS };
        let mut layer = layer().train();
        let mut descent = Descent::new(&optimizer, Some(1.0), &layer);
        if let Some((saved, step)) = descent.resume::<_, usize>(&layer, file, &Device::flex()).unwrap() {
            assert_eq!(step, from);
            layer = saved.train();
        }
        for _ in from..to {
            let value = loss(&layer);
            layer = descent.descend(0.1, layer, value).unwrap();
        }
        descent.save(&layer, &to, file).unwrap();
        layer.weight.val().into_data().iter::<f32>().collect()
    }

    #[test]
    fn an_interrupted_descent_ends_where_the_other_does_and_lower_than_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, halves) = (folder.path().join("a"), folder.path().join("b"));
        let expected = run(0, 20, &whole);
        run(0, 10, &halves);
        assert_eq!(run(10, 20, &halves), expected);
        let start = loss(&layer()).into_scalar::<f32>();
        let mut after = layer();
        after.weight =
            burn::module::Param::from_tensor(Tensor::<2>::from_floats([[expected[0]], [expected[1]]], &Device::flex()));
        assert!(loss(&after).into_scalar::<f32>() < 0.7 * start);
    }
}
