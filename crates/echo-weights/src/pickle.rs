//! What a PyTorch file's pickle would have Python do beside rebuilding tensors.
//!
//! The reader of checkpoints executes nothing: what it does not know stays a name. A file whose pickle names a
//! function or class that is no part of tensors or plain settings is refused all the same, since whoever wrote it
//! meant it to run.

use std::path::Path;

use burn::store::pytorch_reader::{PickleValue, PytorchReader};

use crate::WeightsError;
use crate::checkpoint::not_readable;

/// Modules whose classes and functions hold or rebuild plain data: what training scripts keep beside their weights.
const DATA_MODULES: [&str; 8] =
    ["torch", "numpy", "collections", "argparse", "pathlib", "datetime", "_codecs", "__builtin__"];

/// Names in those modules, and in `builtins`, that run something.
const REFUSED: [&str; 9] = ["eval", "exec", "open", "compile", "getattr", "__import__", "load", "hub", "system"];

/// Names in `builtins` that are plain data.
const BUILTIN_DATA: [&str; 8] = ["set", "frozenset", "slice", "complex", "bytearray", "int", "float", "dict"];

/// # Errors
/// The pickle cannot be parsed, or names something that is neither part of a tensor nor plain data.
pub(crate) fn refuse_calls(path: &Path) -> Result<(), WeightsError> {
    let value = PytorchReader::read_pickle_data(path, None).map_err(|error| not_readable(path, error))?;
    match first_call(&value) {
        None => Ok(()),
        Some(name) => Err(not_readable(
            path,
            format!(
                "its pickle calls {name}, which has nothing to do with weights, so it is not read at all; if you \
                 trust where it comes from, save its weights alone with \
                 torch.save(model.state_dict(), \"weights.pt\")"
            ),
        )),
    }
}

/// The first name in `value` that is not plain data. The reader bounds the depth of nesting.
fn first_call(value: &PickleValue) -> Option<&str> {
    match value {
        PickleValue::Unsupported(name) => (!is_data(name)).then_some(name.as_str()),
        PickleValue::List(values) => values.iter().find_map(first_call),
        PickleValue::Dict(values) => values.values().find_map(first_call),
        _ => None,
    }
}

fn is_data(name: &str) -> bool {
    // A value that is no class at all ("object", "int") has no module.
    let Some((module, rest)) = name.split_once('.') else { return true };
    let last = rest.rsplit('.').next().unwrap_or(rest);
    match module {
        "builtins" | "__builtin__" => BUILTIN_DATA.contains(&last),
        _ => DATA_MODULES.contains(&module) && !name.split('.').any(|part| REFUSED.contains(&part)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_and_settings_are_data_and_functions_are_not() {
        for name in ["torch.Tensor", "torch.float32", "numpy.core.multiarray.scalar", "argparse.Namespace", "int"] {
            assert!(is_data(name), "{name}");
        }
        for name in ["os.system", "posix.system", "builtins.eval", "__builtin__.getattr", "torch.hub.load", "runpy.run"]
        {
            assert!(!is_data(name), "{name}");
        }
        let nested = PickleValue::List(vec![PickleValue::Int(1), PickleValue::Unsupported("os.system".to_owned())]);
        assert_eq!(first_call(&nested), Some("os.system"));
    }
}
