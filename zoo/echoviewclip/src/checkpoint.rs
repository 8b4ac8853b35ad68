//! Whether the files of a checkpoint belong together: each alone has the right names and shapes.

use echo_weights::{Checkpoint, WeightsError};

/// The sentences of training, by their words' embeddings, `[sentences, tokens, width]`.
const SENTENCES: &str = "prompt_learner.complete_text_embeddings";

/// Of the second branch: what the third stage leaves as the second made it.
const KEPT: &str = "projector_no.bias";

/// Differences that rounding to 16 bits makes, in parts of the largest value.
const ROUNDED: f32 = 2e-3;

/// # Errors
/// The table of words is not the one that the sentences of training were made with, or the quality head was trained on
/// another second branch.
pub(crate) fn check_parts(checkpoint: &Checkpoint) -> Result<(), WeightsError> {
    let refused =
        |reason: &str| Err(WeightsError::Format { path: checkpoint.path().to_owned(), reason: reason.to_owned() });
    let of = |part, name| checkpoint.values(find(checkpoint, part, name)?);
    let words = find(checkpoint, "clip.", "token_embedding.weight").and_then(|name| checkpoint.shape(name));
    if let (Some(sentences), Some(table), Some(&[rows, width])) =
        (of("", SENTENCES), of("clip.", "token_embedding.weight"), words.as_deref())
    {
        // Every sentence begins with the word before the last.
        let start = rows.saturating_sub(2) * width;
        if differ(sentences.get(..width), table.get(start..start + width)) {
            return refused(
                "its table of words (open_clip_model.safetensors) is not the one that it was trained with: take OpenAI's CLIP \
                 ViT-B/16",
            );
        }
    }
    if let (Some(second), Some(third)) = (of("", KEPT), of("qc.", KEPT))
        && differ(Some(&second), Some(&third))
    {
        return refused("its quality head (train_qc) was trained on another second branch: take files of one training");
    }
    Ok(())
}

/// The tensor's name in a part of the checkpoint; the first part has no prefix.
fn find<'a>(checkpoint: &'a Checkpoint, part: &str, name: &str) -> Option<&'a str> {
    let is_first = |known: &str| !["clip.", "qc."].iter().any(|part| known.starts_with(part));
    let is_meant = |known: &&str| {
        let rest = known.strip_prefix(part).filter(|_| !part.is_empty() || is_first(known));
        rest.and_then(|rest| rest.strip_suffix(name)).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    checkpoint.names().find(is_meant)
}

/// Whether two vectors are not the same but for rounding.
fn differ(one: Option<&[f32]>, other: Option<&[f32]>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return true };
    let most = one.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let is_near = |(a, b): (&f32, &f32)| (a - b).abs() <= ROUNDED * most;
    one.len() != other.len() || !one.iter().zip(other).all(is_near)
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;

    /// What is wrong with a checkpoint of three parts: its sentences begin with `first`, in a table of words whose last but one is
    /// 1, 2, and what is left of the second branch in the first and third part has these values.
    fn checked(first: [f32; 2], kept: [[f32; 2]; 2]) -> Result<(), String> {
        let bytes = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let tensors = [
            ("module.prompt_learner.complete_text_embeddings", vec![1, 2, 2], bytes(&[first[0], first[1], 7.0, 8.0])),
            ("clip.token_embedding.weight", vec![3, 2], bytes(&[5.0, 6.0, 1.0, 2.0, 3.0, 4.0])),
            ("module.projector_no.bias", vec![2], bytes(&kept[0])),
            ("qc.module.projector_no.bias", vec![2], bytes(&kept[1])),
        ];
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| (*name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
        let file = safetensors::serialize(views, None).unwrap();
        let checkpoint = Checkpoint::from_safetensors_bytes("weights", &file).unwrap();
        check_parts(&checkpoint).map_err(|error| error.to_string())
    }

    #[test]
    fn files_of_different_trainings_are_refused() {
        assert_eq!(checked([1.0, 2.0], [[3.0, 4.0]; 2]), Ok(()));
        assert_eq!(checked([1.0, 2.001], [[3.0, 4.0]; 2]), Ok(()), "rounded to 16 bits");
        assert!(checked([1.0, 2.1], [[3.0, 4.0]; 2]).unwrap_err().contains("table of words"));
        assert!(checked([1.0, f32::NAN], [[3.0, 4.0]; 2]).unwrap_err().contains("table of words"));
        assert!(checked([1.0, 2.0], [[3.0, 4.0], [3.0, 4.1]]).unwrap_err().contains("quality head"));
    }
}
