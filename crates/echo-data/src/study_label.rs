//! The label of a study out of those of its videos.

use echo_core::{Kind, Truth};
use serde::Deserialize;

/// How the labels of a study's videos are one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StudyLabel {
    /// They are the same.
    #[default]
    Same,
    /// The largest value, the highest grade, or what holds in any of them.
    Highest,
    /// The smallest value, the lowest grade, or what holds in all of them.
    Lowest,
    /// The mean of values.
    Mean,
}

impl StudyLabel {
    /// # Errors
    /// Labels of that kind are not made one so.
    pub(crate) fn check(self, kind: Kind) -> Result<(), String> {
        match (self, kind) {
            (Self::Mean, kind) if kind != Kind::Regression => {
                Err("`of_studies` = \"mean\" is of values; of classes and labels give \"highest\" or \"lowest\""
                    .to_owned())
            }
            (Self::Highest | Self::Lowest, Kind::SingleLabel) => {
                Err("`of_studies`: classes without an order have no highest and no lowest one".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The label of a study whose videos have these; nothing where they do not make one. An unknown label says nothing about
    /// those of other videos.
    pub fn of<'a>(self, labels: impl Iterator<Item = &'a Truth> + Clone) -> Option<Truth> {
        let first = labels.clone().next()?;
        if labels.clone().all(|label| label == first) {
            return Some(first.clone());
        }
        let is_highest = match self {
            // What one video does not know, another may say.
            Self::Same => {
                let known = |one: Truth, other: &Truth| match (one, other) {
                    (Truth::Labels(one), Truth::Labels(other)) => {
                        let label = |(one, other): (Option<bool>, &Option<bool>)| match (one, *other) {
                            (Some(one), Some(other)) if one != other => None,
                            (one, other) => Some(one.or(other)),
                        };
                        one.into_iter().zip(other).map(label).collect::<Option<_>>().map(Truth::Labels)
                    }
                    _ => None,
                };
                return labels.skip(1).try_fold(first.clone(), known);
            }
            Self::Mean => {
                let values: Vec<f32> = labels.map(Truth::value).collect::<Option<_>>()?;
                return Some(Truth::Value(values.iter().sum::<f32>() / values.len() as f32));
            }
            Self::Highest => true,
            Self::Lowest => false,
        };
        let of_two = |one: Truth, other: &Truth| match (one, other) {
            (Truth::Value(one), Truth::Value(other)) => {
                Some(Truth::Value(if is_highest { one.max(*other) } else { one.min(*other) }))
            }
            (Truth::Class(one), Truth::Class(other)) => {
                Some(Truth::Class(if is_highest { one.max(*other) } else { one.min(*other) }))
            }
            (Truth::Labels(one), Truth::Labels(other)) => {
                let label = |(one, other): (Option<bool>, &Option<bool>)| match (one, *other) {
                    (Some(one), Some(other)) => Some(if is_highest { one || other } else { one && other }),
                    (one, other) => one.or(other),
                };
                Some(Truth::Labels(one.into_iter().zip(other).map(label).collect()))
            }
            _ => None,
        };
        labels.skip(1).try_fold(first.clone(), of_two)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_study_is_labelled_as_its_task_says() {
        let of = |rule: StudyLabel, labels: &[Truth]| rule.of(labels.iter());
        let values = [Truth::Value(40.0), Truth::Value(55.0), Truth::Value(52.0)];
        for (rule, value) in [(StudyLabel::Highest, 55.0), (StudyLabel::Lowest, 40.0), (StudyLabel::Mean, 49.0)] {
            assert_eq!(of(rule, &values), Some(Truth::Value(value)));
        }
        assert_eq!(of(StudyLabel::Same, &values), None);
        assert_eq!(of(StudyLabel::Same, &[Truth::Class(1), Truth::Class(1)]), Some(Truth::Class(1)));
        assert_eq!(of(StudyLabel::Highest, &[Truth::Class(0), Truth::Class(2)]), Some(Truth::Class(2)));
        assert_eq!(of(StudyLabel::Lowest, &[Truth::Class(3), Truth::Class(2)]), Some(Truth::Class(2)));
        let labels = [
            Truth::Labels(vec![Some(true), Some(false), None, None]),
            Truth::Labels(vec![Some(false), None, None, Some(true)]),
        ];
        let expected = |first| Some(Truth::Labels(vec![Some(first), Some(false), None, Some(true)]));
        assert_eq!(of(StudyLabel::Highest, &labels), expected(true));
        assert_eq!(of(StudyLabel::Lowest, &labels), expected(false));
        assert_eq!(of(StudyLabel::Same, &labels), None);
        let agreeing = [Truth::Labels(vec![Some(true), None]), Truth::Labels(vec![Some(true), Some(false)])];
        assert_eq!(of(StudyLabel::Same, &agreeing), Some(Truth::Labels(vec![Some(true), Some(false)])));
    }
}
