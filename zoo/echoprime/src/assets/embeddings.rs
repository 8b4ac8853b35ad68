//! Embeddings of the candidates, from two files.

use echo_weights::TensorFile;

use super::AssetsError;
use super::files::Files;

/// Length of an embedding: that of the full preset, which embedded the candidates.
const DIM: usize = 512;

/// `[candidates, 512]`, row by row: the rows of the first file, then those of the second.
pub(super) fn read(files: &Files, candidates: usize) -> Result<Vec<f32>, AssetsError> {
    let mut tensors = Vec::new();
    let mut rows = 0;
    for path in &files.embeddings {
        let tensor = TensorFile::open(path)?;
        match *tensor.shape() {
            [count, length] if length == DIM => rows += count,
            ref shape => {
                let reason = format!("its tensor has the shape {shape:?}, where [candidates, {DIM}] is expected");
                return Err(AssetsError::content(path, reason));
            }
        }
        tensors.push((path, tensor));
    }
    if rows != candidates {
        let [first, second] = &files.embeddings;
        let reason = format!("it and {} have {rows} rows, the other {candidates} studies", second.display());
        return Err(AssetsError::disagree(first, &files.studies, reason));
    }
    let mut values = Vec::with_capacity(rows * DIM);
    for (path, tensor) in tensors {
        let first = values.len();
        tensor.append_to(&mut values)?;
        if let Some(place) = values[first..].iter().position(|value| !value.is_finite()) {
            let reason = format!("row {} holds a value that is no number (NaN or infinite)", place / DIM);
            return Err(AssetsError::content(path, reason));
        }
    }
    Ok(values)
}
