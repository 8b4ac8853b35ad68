//! Checkpoints: PyTorch's archives and pickles, safetensors, plain pickled data.

#[path = "../../../crates/echo-weights/tests/support/torch.rs"]
mod torch;

use std::path::Path;

use echo_weights::{Checkpoint, PickledData, TensorFile};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use torch::{Pickle, SIX, floats, torch_zip, view};

/// Reads a checkpoint, and all its tensors into a module that has none of them.
pub(super) fn read_checkpoint(path: &Path) -> Result<(), String> {
    let checkpoint = Checkpoint::open(path).map_err(|error| error.to_string())?;
    for name in checkpoint.names() {
        checkpoint.shape(name).ok_or_else(|| format!("{}: {name} has no shape", path.display()))?;
    }
    match torch::loaded(path, None) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn pickles() -> Vec<Vec<u8>> {
    let of = |protocol, kind| Pickle::new(protocol).dict(|pickle| pickle.tensor("table", &view("0", kind, 6))).end();
    vec![of(2, "FloatStorage"), of(4, "FloatStorage"), of(5, "FloatStorage")]
}

/// The pickle and its storage in an archive with checksums that are right.
pub(super) fn archive_of(pickle: &[u8]) -> Vec<u8> {
    torch_zip(pickle, &[("0", &floats(&SIX))])
}

pub(super) fn archives() -> Vec<Vec<u8>> {
    let one = Pickle::new(2).view(&view("0", "FloatStorage", 6)).end();
    vec![torch_zip(&one, &[("0", &floats(&SIX))])]
}

/// Reads an archive of one tensor.
pub(super) fn read_archive(path: &Path) -> Result<(), String> {
    let file = TensorFile::open(path).map_err(|error| error.to_string())?;
    file.append_to(&mut Vec::new()).map_err(|error| error.to_string())
}

pub(super) fn plain_pickles() -> Vec<Vec<u8>> {
    let of =
        |protocol| Pickle::new(protocol).dict(|pickle| pickle.text("name").int(7).text("other").ints(&[1, 2, 3])).end();
    vec![of(2), of(4), of(5)]
}

/// Reads plain data, and looks at all of it.
pub(super) fn read_pickle(path: &Path) -> Result<(), String> {
    let data = PickledData::open(path).map_err(|error| error.to_string())?;
    let _ = format!("{:?}", data.root().kind());
    Ok(())
}

pub(super) fn safetensors() -> Vec<Vec<u8>> {
    let values = floats(&SIX);
    let of = |dtype, shape: Vec<usize>| {
        let view = TensorView::new(dtype, shape, &values).expect("values of that many bytes");
        safetensors::serialize([("table", &view)], None).expect("a tensor that can be written")
    };
    vec![of(Dtype::F32, vec![2, 3])]
}
