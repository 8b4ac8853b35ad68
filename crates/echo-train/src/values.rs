//! Parameters as data: taken out of a module by path and put back.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

/// Values of the parameters of `module` at `paths`, in the module's order.
pub fn values<M: Module>(module: &M, paths: &[&str]) -> Vec<(String, TensorData)> {
    let mut reader = Reader { wanted: paths, path: Vec::new(), found: Vec::new() };
    module.visit(&mut reader);
    reader.found
}

/// `module` with `values` in place of its parameters at their paths; the others stay.
///
/// # Errors
/// The path of a value that the module has no parameter for, or one of another shape.
pub fn with_values<M: Module>(module: M, values: Vec<(String, TensorData)>) -> Result<M, String> {
    let mut writer = Writer { values: values.into_iter().collect(), path: Vec::new(), wrong: None };
    let module = module.map(&mut writer);
    match (writer.wrong, writer.values.into_keys().next()) {
        (Some(wrong), _) => Err(wrong),
        (None, Some(path)) => Err(format!("there is no parameter {path}")),
        (None, None) => Ok(module),
    }
}

struct Reader<'a> {
    wanted: &'a [&'a str],
    path: Vec<String>,
    found: Vec<(String, TensorData)>,
}

impl ModuleVisitor for Reader<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if self.wanted.contains(&path.as_str()) {
            // The stored value: `val` would add what reparameterises it.
            self.found.push((path, param.base().into_data()));
        }
    }
}

struct Writer {
    values: BTreeMap<String, TensorData>,
    path: Vec<String>,
    wrong: Option<String>,
}

impl ModuleMapper for Writer {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let Some(data) = self.values.remove(&path) else { return param };
        let shape = param.lazy_shape().to_vec();
        if data.shape().to_vec() != shape {
            self.wrong = Some(format!("{path} is {shape:?}, not {:?}", data.shape().to_vec()));
            return param;
        }
        param.map(|tensor| Tensor::from_data(data, &tensor.device()))
    }
}
