//! Which classes of a task are in distribution.

use echo_core::{Kind, Task};

use crate::BenchError;

/// The classes of a task in two parts, each by its place in the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Classes {
    inside: Vec<usize>,
    held_out: Vec<usize>,
    names: Vec<String>,
}

impl Classes {
    /// The classes of `task` without those that are held out by name, in any case.
    ///
    /// # Errors
    /// The task has no classes of which one is true, there is no such class, or fewer than two stay.
    pub(super) fn of(task: &Task, hold_out: &[String]) -> Result<Self, BenchError> {
        let wrong = |reason: String| Err(BenchError::Config(reason));
        let names = task.class_names();
        match task.kind() {
            Kind::SingleLabel | Kind::Ordinal | Kind::Binary => {}
            kind => {
                return wrong(format!(
                    "--task {}: it is a {kind}; out-of-distribution detection needs classes of which one is true, such as those \
                     of view or ef-grade",
                    task.name
                ));
            }
        }
        let mut held_out = Vec::new();
        for name in hold_out {
            match names.iter().position(|known| known.eq_ignore_ascii_case(name.trim())) {
                Some(class) if held_out.contains(&class) => {}
                Some(class) => held_out.push(class),
                None => {
                    return wrong(format!(
                        "--hold-out: {} has no class {name:?}; its classes are {}",
                        task.name,
                        names.join(", ")
                    ));
                }
            }
        }
        let inside: Vec<usize> = (0..names.len()).filter(|class| !held_out.contains(class)).collect();
        if inside.len() < 2 {
            let left: Vec<&str> = inside.iter().map(|&class| names[class].as_str()).collect();
            let left = if left.is_empty() { "none".to_owned() } else { format!("only {}", left.join(", ")) };
            return wrong(format!(
                "--hold-out: of the classes of {} ({}) {left} would stay in distribution, and at least two are needed; hold out \
                 fewer, or give --out-of-distribution FOLDER instead",
                task.name,
                names.join(", ")
            ));
        }
        Ok(Self { inside, held_out, names })
    }

    /// The place of a class among those in distribution.
    pub(super) fn place(&self, class: usize) -> Option<usize> {
        self.inside.iter().position(|&inside| inside == class)
    }

    /// The classes in distribution.
    pub(super) fn inside(&self) -> &[usize] {
        &self.inside
    }

    pub(super) fn inside_names(&self) -> Vec<String> {
        self.inside.iter().map(|&class| self.names[class].clone()).collect()
    }

    pub(super) fn held_out_names(&self) -> Vec<String> {
        self.held_out.iter().map(|&class| self.names[class].clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use echo_data::Target;

    use super::*;

    fn of(task: &str, hold_out: &[&str]) -> Result<Classes, String> {
        let names: Vec<String> = hold_out.iter().map(|&name| name.to_owned()).collect();
        Classes::of(&Target::shipped(task).task, &names).map_err(|error| error.to_string())
    }

    #[test]
    fn classes_that_stay_keep_their_order_and_count_from_zero() {
        let classes = of("ef-grade", &["Moderately Reduced", "moderately reduced"]).expect("three stay");
        assert_eq!(classes.inside_names(), ["severely reduced", "mildly reduced", "normal"]);
        assert_eq!(classes.held_out_names(), ["moderately reduced"]);
        assert_eq!((classes.place(1), classes.place(3), classes.place(0)), (None, Some(2), Some(0)));
    }

    #[test]
    fn what_leaves_fewer_than_two_classes_and_what_is_no_class_is_refused_with_the_list() {
        let error = of("ef-grade", &["awful"]).unwrap_err();
        assert!(error.contains("no class \"awful\"") && error.contains("severely reduced, moderately"), "{error}");
        let error = of("lv-size", &["normal", "mildly dilated"]).unwrap_err();
        assert!(error.contains("only severely dilated would stay") && error.contains("at least two"), "{error}");
        assert!(of("ef-reduced", &[]).is_ok(), "yes or no are two classes");
        assert!(of("ef-reduced", &["reduced", "not reduced"]).unwrap_err().contains("none would stay"));
        for task in ["ef", "findings"] {
            assert!(of(task, &[]).unwrap_err().contains("such as those of view or ef-grade"));
        }
    }
}
