//! Embeddings of the candidates, from two files.

use echo_weights::TensorFile;

use super::AssetsError;
use super::files::Files;

/// `[candidates, dim]`, row by row, and `dim`: the rows of the first file, then those of the second.
pub(super) fn read(files: &Files, candidates: usize) -> Result<(Vec<f32>, usize), AssetsError> {
    let [first, second] = &files.embeddings;
    let mut tensors = Vec::new();
    let mut found = Vec::new();
    for path in [first, second] {
        let tensor = TensorFile::open(path)?;
        match *tensor.shape() {
            [count, length] if length > 0 => found.push((count, length)),
            ref shape => {
                let reason = format!("its tensor has the shape {shape:?}, where [candidates, length] is expected");
                return Err(AssetsError::content(path, reason));
            }
        }
        tensors.push((path, tensor));
    }
    let (rows, dim) = (found[0].0.saturating_add(found[1].0), found[0].1);
    if found[1].1 != dim {
        let reason = format!("its embeddings have the length {}, those of the other {dim}", found[1].1);
        return Err(AssetsError::disagree(second, first, reason));
    }
    if rows != candidates {
        let reason = format!("it and {} have {rows} rows, the other {candidates} studies", second.display());
        return Err(AssetsError::disagree(first, &files.studies, reason));
    }
    let mut values = Vec::new();
    // At once: a vector that grows needs up to three times as much.
    if rows.checked_mul(dim).is_none_or(|count| values.try_reserve_exact(count).is_err()) {
        let reason = format!("there is no memory for {rows} embeddings of length {dim}");
        return Err(AssetsError::content(first, reason));
    }
    for (path, tensor) in tensors {
        let first = values.len();
        tensor.append_to(&mut values)?;
        if let Some(place) = values[first..].iter().position(|value| !value.is_finite()) {
            let reason = format!("row {} holds a value that is no number (NaN or infinite)", place / dim);
            return Err(AssetsError::content(path, reason));
        }
    }
    Ok((values, dim))
}
