//! Which activation a checkpoint was trained with. Nothing in its tensors says; a file that libraries put beside it does.

use std::io::ErrorKind;
use std::path::Path;

use echo_weights::{WeightsError, read_text, say};
use serde_json::Value;

/// What Hugging Face calls QuickGELU: what its CLIP has where a file says nothing.
const QUICK_GELU: &str = "quick_gelu";

/// Whether a file says QuickGELU.
type Says = fn(&Value) -> Option<bool>;

/// Files that say which activation it is, and how.
const FILES: [(&str, Says); 2] = [("open_clip_config.json", of_open_clip), ("config.json", of_hugging_face)];

/// Whether open_clip's file says QuickGELU: it says nothing where it is the other one.
fn of_open_clip(file: &Value) -> Option<bool> {
    let model = file.get("model_cfg").unwrap_or(file);
    let is_quick = model.get(QUICK_GELU).map(|value| value.as_bool() == Some(true));
    is_quick.or_else(|| model.get("vision_cfg").map(|_| false))
}

/// Whether Hugging Face's file says QuickGELU for both towers. timm writes a file of the same name, which does not say.
fn of_hugging_face(file: &Value) -> Option<bool> {
    (file.get("model_type")?.as_str() == Some("clip")).then(|| {
        let of = |tower: &str| file.get(tower).and_then(|tower| tower.get("hidden_act"));
        ["text_config", "vision_config"].iter().all(|tower| of(tower).is_none_or(|name| name == QUICK_GELU))
    })
}

/// Looks into the files beside `weights`, a file or the folder of one, and says so where there are none.
///
/// # Errors
/// [`WeightsError::Companion`]: such a file says that it is another activation, or cannot be read.
pub(crate) fn check(weights: &Path) -> Result<(), WeightsError> {
    let folder = if weights.is_dir() { weights } else { weights.parent().unwrap_or(Path::new("")) };
    for (name, says) in FILES {
        let path = folder.join(name);
        let refused = |reason: String| Err(WeightsError::Companion { path: path.clone(), reason });
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return refused(error.to_string()),
        };
        let file: Value = match serde_json::from_str(&text) {
            Ok(file) => file,
            Err(error) => return refused(format!("it is not JSON ({error}); download it again, or remove it")),
        };
        match says(&file) {
            Some(true) => return Ok(()),
            Some(false) => {
                return refused(
                    "it says that the weights were trained with plain GELU, as LAION's were; this encoder has QuickGELU, \
                     as OpenAI's were, and would give wrong numbers without a word: give OpenAI's weights, or remove the \
                     file if it does not belong to them"
                        .to_owned(),
                );
            }
            None => {}
        }
    }
    say(&format!(
        "{}: no {} beside it says that it was trained with QuickGELU; weights that were not (LAION's) load as well and give \
         wrong numbers",
        weights.display(),
        FILES[0].0
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beside_the_weights_say_which_activation_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("open_clip_model.safetensors");
        let (open_clip, hugging_face) = ("open_clip_config.json", "config.json");
        let tower = |name: &str| format!(r#""{name}": {{"hidden_act": "gelu"}}"#);
        let cases = [
            (open_clip, r#"{"model_cfg": {"quick_gelu": true, "vision_cfg": {}}}"#.to_owned(), true),
            (open_clip, r#"{"model_cfg": {"quick_gelu": false, "vision_cfg": {}}}"#.to_owned(), false),
            (open_clip, r#"{"model_cfg": {"vision_cfg": {}}}"#.to_owned(), false),
            (open_clip, r#"{"quick_gelu": true, "vision_cfg": {}}"#.to_owned(), true),
            (open_clip, "{}".to_owned(), true),
            (open_clip, "not JSON".to_owned(), false),
            (hugging_face, r#"{"model_type": "clip", "text_config": {"hidden_act": "quick_gelu"}}"#.to_owned(), true),
            (hugging_face, format!(r#"{{"model_type": "clip", {}}}"#, tower("text_config")), false),
            (hugging_face, format!(r#"{{"model_type": "clip", {}}}"#, tower("vision_config")), false),
            (hugging_face, r#"{"architecture": "vit_base_patch16_clip_quickgelu_224"}"#.to_owned(), true),
        ];
        // Without any, it is only said.
        check(&weights).unwrap();
        for (name, text, is_taken) in cases {
            let path = folder.path().join(name);
            std::fs::write(&path, &text).unwrap();
            for weights in [folder.path(), &weights] {
                let found = check(weights);
                assert_eq!(found.is_ok(), is_taken, "{name}: {text}");
                if let Err(error) = found {
                    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
                }
            }
            std::fs::remove_file(&path).unwrap();
        }
    }
}
