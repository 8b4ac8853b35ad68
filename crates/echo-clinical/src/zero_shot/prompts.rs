//! The file of tasks.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Grade, GradePrompts, Mode, PromptTask};
use crate::entries::Entries;
use crate::error::{Error, listed};

/// Tasks by name, in the order of their file.
///
/// The file is JSON, an object with a task for each key. EchoCLIP's `prompts_used.json` has the same form:
///
/// - `mode`: `regression`, `binary` or `categorical`.
/// - `prompts`, or `label_sources`: the sentences; templates with `<#>` for a regression.
/// - `range`, of a regression: the first and the last whole number, both included.
/// - `values`, of a categorical task: the grade of each sentence.
/// - `value_mapping`, of a categorical task: the name of each grade. One may have no sentence.
/// - `testers`, `tester_values`: sentences and grades that replace the others. EchoCLIP's label sources also extract labels
///   from reports; where they are unsuited as prompts (one holds a `<#>`), testers are given as well.
///
/// An invalid task does not invalidate the others: [`Prompts::task`] fails for it alone.
#[derive(Debug)]
pub struct Prompts {
    tasks: Vec<(String, Result<PromptTask, String>)>,
}

impl Prompts {
    /// The tasks that come with this crate, in our own words.
    ///
    /// # Errors
    /// None, as long as the file is sound.
    pub fn shipped() -> Result<Self, Error> {
        Self::from_json(include_str!("../../assets/prompts.json"))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is no JSON object, has no task, or has one name twice.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let Entries::<Value>(entries) =
            serde_json::from_str(text).map_err(|source| Error::Json { what: "the file of prompts", source })?;
        if entries.is_empty() {
            return Err(Error::Empty { what: "tasks" });
        }
        let read = |(name, entry): (String, Value)| {
            let task =
                TaskFile::deserialize(entry).map_err(|error| error.to_string()).and_then(|file| file.task(&name));
            (name, task)
        };
        Ok(Self { tasks: entries.into_iter().map(read).collect() })
    }

    /// The names of all tasks, including invalid ones.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tasks.iter().map(|(name, _)| name.as_str())
    }

    /// A task by its name.
    ///
    /// # Errors
    /// When there is no such task, or it is invalid.
    pub fn task(&self, name: &str) -> Result<&PromptTask, Error> {
        match self.tasks.iter().find(|(known, _)| known == name) {
            Some((_, Ok(task))) => Ok(task),
            Some((_, Err(reason))) => Err(Error::Task { task: name.to_owned(), reason: reason.clone() }),
            None => {
                let known = listed(self.tasks.iter().map(|(name, _)| name));
                Err(Error::UnknownTask { task: name.to_owned(), known })
            }
        }
    }
}

/// A task as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskFile {
    mode: Mode,
    #[serde(alias = "label_sources")]
    prompts: Vec<String>,
    range: Option<[i32; 2]>,
    values: Option<Vec<u32>>,
    value_mapping: Option<BTreeMap<u32, String>>,
    testers: Option<Vec<String>>,
    tester_values: Option<Vec<u32>>,
}

impl TaskFile {
    fn task(self, name: &str) -> Result<PromptTask, String> {
        let Self { mode, prompts, range, values, value_mapping, testers, tester_values } = self;
        let foreign = match mode {
            Mode::Regression => [("values", values.is_some()), ("value_mapping", value_mapping.is_some())],
            Mode::Binary => [("range", range.is_some()), ("values", values.is_some() || value_mapping.is_some())],
            Mode::Categorical => [("range", range.is_some()), ("", false)],
        };
        if let Some((field, _)) = foreign.iter().find(|(_, given)| *given) {
            return Err(format!("`{field}` has no meaning in this mode"));
        }
        let (prompts, values) = match testers {
            Some(testers) => (testers, tester_values),
            None => (prompts, values),
        };
        let task = match mode {
            Mode::Regression => {
                let [first, last] = range.ok_or("a regression needs `range`, the first and the last number")?;
                PromptTask::regression(name, &prompts, first..=last)
            }
            Mode::Binary => PromptTask::binary(name, prompts),
            Mode::Categorical => {
                let values = values.ok_or("categories need `values`, the grade of each prompt")?;
                let names = value_mapping.ok_or("categories need `value_mapping`, the name of each grade")?;
                PromptTask::categorical(name, grades(prompts, &values, names)?)
            }
        };
        task.map_err(|error| match error {
            Error::Task { reason, .. } => reason,
            other => other.to_string(),
        })
    }
}

/// Each grade with its prompts.
fn grades(prompts: Vec<String>, values: &[u32], names: BTreeMap<u32, String>) -> Result<Vec<GradePrompts>, String> {
    if prompts.len() != values.len() {
        return Err(format!("{} values for {} prompts; give one for each", values.len(), prompts.len()));
    }
    let mut grades: BTreeMap<u32, GradePrompts> = BTreeMap::new();
    for (value, name) in names {
        grades.insert(value, GradePrompts { grade: Grade { value, name }, prompts: Vec::new() });
    }
    for (prompt, value) in prompts.into_iter().zip(values) {
        let of = grades.get_mut(value).ok_or_else(|| format!("`value_mapping` has no name for the value {value}"))?;
        of.prompts.push(prompt);
    }
    Ok(grades.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a file's only task is refused.
    fn refused(fields: &str) -> String {
        let prompts = Prompts::from_json(&format!(r#"{{"size": {{{fields}}}}}"#)).expect("an object");
        prompts.task("size").unwrap_err().to_string()
    }

    #[test]
    fn shipped_tasks_are_sound_and_of_these_kinds() -> Result<(), Error> {
        let prompts = Prompts::shipped()?;
        let modes: Vec<_> =
            prompts.names().map(|name| Ok((name, prompts.task(name)?.mode()))).collect::<Result<_, Error>>()?;
        let expected = [
            ("ejection_fraction", Mode::Regression),
            ("pulmonary_artery_pressure", Mode::Regression),
            ("pacemaker_lead", Mode::Binary),
            ("prosthetic_aortic_valve", Mode::Binary),
            ("mitral_clip", Mode::Binary),
            ("atrial_fibrillation", Mode::Binary),
            ("right_atrial_pressure", Mode::Categorical),
            ("left_ventricle_size", Mode::Categorical),
            ("right_ventricle_size", Mode::Categorical),
            ("left_atrium_size", Mode::Categorical),
            ("right_atrium_size", Mode::Categorical),
            ("left_ventricle_hypertrophy", Mode::Categorical),
            ("pericardial_effusion", Mode::Categorical),
        ];
        assert_eq!(modes, expected);
        assert_eq!(prompts.task("ejection_fraction")?.prompts().len(), 202);
        Ok(())
    }

    #[test]
    fn prompts_of_a_file_keep_their_grades() -> Result<(), Error> {
        let text = r#"{"pressure": {"mode": "categorical", "label_sources": ["high", "raised", "normal", "very high"],
            "values": [2, 1, 0, 2], "value_mapping": {"2": "High", "1": "Raised", "0": "Normal"}}}"#;
        let of = |value, name: &str, prompts: &[&str]| GradePrompts {
            grade: Grade { value, name: name.to_owned() },
            prompts: prompts.iter().map(|&prompt| prompt.to_owned()).collect(),
        };
        let grades =
            vec![of(0, "Normal", &["normal"]), of(1, "Raised", &["raised"]), of(2, "High", &["high", "very high"])];
        assert_eq!(Prompts::from_json(text)?.task("pressure")?, &PromptTask::categorical("pressure", grades)?);
        Ok(())
    }

    #[test]
    fn testers_take_the_place_of_label_sources() -> Result<(), Error> {
        let text = r#"{
            "pump": {"mode": "binary", "label_sources": ["inlet at <#> cm"], "testers": ["inlet at 4 cm"]},
            "size": {"mode": "categorical", "label_sources": ["a", "b", "c"], "values": [1, 2, 2],
                "value_mapping": {"0": "N", "1": "M", "2": "S"}, "testers": ["b", "a"], "tester_values": [2, 1]}
        }"#;
        let prompts = Prompts::from_json(text)?;
        assert_eq!(prompts.task("pump")?.prompts(), ["inlet at 4 cm"]);
        assert_eq!(prompts.task("size")?.prompts(), ["a", "b"]);
        Ok(())
    }

    #[test]
    fn an_invalid_task_is_refused_with_its_reason() {
        assert!(
            refused(r#""mode": "ordinal", "prompts": ["a"]"#).starts_with("task `size`: unknown variant `ordinal`")
        );
        assert!(refused(r#""mode": "binary", "prompts": ["a"], "range_": 1"#).contains("unknown field `range_`"));
        assert_eq!(refused(r#""mode": "binary", "prompts": []"#), "task `size`: it has no prompts");
        assert!(refused(r#""mode": "binary", "prompts": ["a"], "range": [0, 9]"#).contains("`range` has no meaning"));
        assert!(refused(r#""mode": "binary", "prompts": ["a"], "values": [1]"#).contains("`values` has no meaning"));
        assert!(
            refused(r#""mode": "regression", "prompts": ["<#>"], "values": [1]"#).contains("`values` has no meaning")
        );
        assert!(refused(r#""mode": "regression", "prompts": ["<#>"]"#).contains("a regression needs `range`"));
        assert!(
            refused(r#""mode": "regression", "prompts": ["<#>"], "range": [9, 0]"#).contains("holds 0 whole numbers")
        );
        assert!(refused(r#""mode": "regression", "prompts": ["EF"], "range": [0, 9]"#).contains("lacks <#>"));
        let grades = r#""mode": "categorical", "prompts": ["a", "b"]"#;
        assert!(refused(grades).contains("categories need `values`"));
        assert!(refused(&format!(r#"{grades}, "values": [1, 2]"#)).contains("categories need `value_mapping`"));
        let named = r#""value_mapping": {"0": "none", "1": "some"}"#;
        assert_eq!(
            refused(&format!(r#"{grades}, "values": [1], {named}"#)),
            "task `size`: 1 values for 2 prompts; give one for each"
        );
        assert!(refused(&format!(r#"{grades}, "values": [1, 2], {named}"#)).contains("has no name for the value 2"));
        assert!(
            refused(&format!(r#"{grades}, "values": [1, 1], "range": [0, 1], {named}"#)).contains("`range` has no")
        );
    }

    #[test]
    fn an_invalid_file_is_refused_and_an_invalid_task_leaves_the_others() -> Result<(), Error> {
        let refused = |text: &str| Prompts::from_json(text).unwrap_err().to_string();
        assert!(
            refused("[]").starts_with("the file of prompts cannot be read as JSON: invalid type"),
            "{}",
            refused("[]")
        );
        assert_eq!(refused("{}"), "there are no tasks; give at least one");
        assert!(refused(r#"{"a": 1, "a": 2}"#).contains("`a` appears twice"), "{}", refused(r#"{"a": 1, "a": 2}"#));
        let prompts = Prompts::from_json(r#"{"bad": 1, "lead": {"mode": "binary", "prompts": ["a lead"]}}"#)?;
        assert_eq!(prompts.names().collect::<Vec<_>>(), ["bad", "lead"]);
        assert_eq!(prompts.task("lead")?.prompts(), ["a lead"]);
        assert!(prompts.task("bad").is_err());
        assert_eq!(prompts.task("led").unwrap_err().to_string(), "there is no task `led`; known are bad, lead");
        Ok(())
    }
}
