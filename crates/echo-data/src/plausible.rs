//! Values that a target can hardly have: most often the right number in another unit.

use crate::{Split, Target};

/// A video's name, split and number.
pub(crate) type Labelled<'a> = (&'a str, Split, f32);

/// Factors between the units that people use for one thing: fractions and percentages, litres and millilitres.
fn factors(unit: &str) -> &'static [f64] {
    match unit {
        "%" => &[100.0, 0.01],
        "ml" => &[1000.0, 0.001],
        _ => &[100.0, 1000.0, 0.01, 0.001],
    }
}

/// The plausible range of a target whose description gives none: for the ejection fraction in percent, and for volumes
/// of the heart in millilitres, those of a newborn to those of the largest that were seen.
pub fn usual_range(name: &str, unit: &str) -> Option<[f64; 2]> {
    match unit {
        "%" if name.eq_ignore_ascii_case("EF") => Some([3.0, 98.0]),
        "ml" | "mL" => Some([1.0, 1000.0]),
        _ => None,
    }
}

/// The videos whose value is not plausible, and what it is.
///
/// # Errors
/// Half of the values or more are not plausible, or a tenth of a split's and three at least, as where a table was put
/// together from two: what to do.
pub(crate) fn check_unit(target: &Target, videos: &[Labelled<'_>]) -> Result<Vec<(String, String)>, String> {
    let unlikely = check_part(target, "", videos, |few, all| few * 2 >= all)?;
    for split in [Split::Train, Split::Validation, Split::Test] {
        let part: Vec<Labelled<'_>> = videos.iter().copied().filter(|(_, of, _)| *of == split).collect();
        check_part(target, &format!(" of the {split} split"), &part, |few, all| few >= 3 && few * 10 >= all)?;
    }
    Ok(unlikely)
}

/// The videos of `part` whose value is not plausible; an error where these are so many that it is `wrong`.
fn check_part(
    target: &Target,
    part: &str,
    videos: &[Labelled<'_>],
    wrong: fn(usize, usize) -> bool,
) -> Result<Vec<(String, String)>, String> {
    let Some([least, most]) = target.plausible else { return Ok(Vec::new()) };
    let Target { task, unit, columns, scale, .. } = target;
    let (name, column) = (&task.name, &columns[0]);
    let is_plausible = |value: f64| (least..=most).contains(&value);
    let of = |&(_, _, value): &Labelled<'_>| f64::from(value);
    let unlikely: Vec<Labelled<'_>> = videos.iter().copied().filter(|video| !is_plausible(of(video))).collect();
    let (few, all) = (unlikely.len(), videos.len());
    if few == 0 || !wrong(few, all) {
        let reason = |value: f32| format!("its {column} is {value} {unit}; plausible is {least} to {most} {unit}");
        return Ok(unlikely.into_iter().map(|(video, _, value)| (video.to_owned(), reason(value))).collect());
    }
    let mut values: Vec<f64> = unlikely.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let (lowest, median, highest) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    let factor = factors(unit).iter().find(|&&factor| is_plausible(median * factor));
    let what_to_do = match factor {
        Some(factor) => format!(
            "they look like another unit: give `scale = {}` under [tasks.{name}] in the data set's description (--dataset)",
            // As people write it.
            (scale * factor * 1e6).round() / 1e6
        ),
        None => format!("check the column, or give `plausible` under [tasks.{name}] in the data set's description"),
    };
    Err(format!(
        "column {column:?}: {few} of {all} values{part} lie outside the plausible {least} to {most} {unit}, \
         from {} to {}; {what_to_do}",
        lowest as f32, highest as f32
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, values: &[f32]) -> Result<Vec<(String, String)>, String> {
        check_all(target, &[(values, Split::Test)])
    }

    fn check_all(target: &str, parts: &[(&[f32], Split)]) -> Result<Vec<(String, String)>, String> {
        let values = parts.iter().flat_map(|(values, split)| values.iter().map(move |value| (*split, *value)));
        let values: Vec<(String, Split, f32)> =
            values.enumerate().map(|(place, (split, value))| (format!("v{place}"), split, value)).collect();
        let videos: Vec<Labelled<'_>> =
            values.iter().map(|(name, split, value)| (name.as_str(), *split, *value)).collect();
        check_unit(&Target::shipped(target), &videos)
    }

    #[test]
    fn values_in_another_unit_are_an_error_that_gives_the_factor() {
        for (target, values, scale) in [
            ("EF", [0.21, 0.55, 0.73], "`scale = 100`"),
            ("EDV", [0.05, 0.12, 0.4], "`scale = 1000`"),
            ("EF", [2100.0, 5500.0, 7300.0], "`scale = 0.01`"),
        ] {
            let error = check(target, &values).unwrap_err();
            assert!(error.contains(scale) && error.contains(&format!("[tasks.{target}]")), "{error}");
        }
        assert!(check("EF", &[0.0, 0.0, 0.0]).unwrap_err().contains("check the column"));
    }

    #[test]
    fn single_values_are_reported_and_plausible_ones_are_not() {
        assert_eq!(check("EF", &[6.9, 30.0, 55.0, 96.97]), Ok(Vec::new()));
        let unlikely = check("EF", &[0.55, 30.0, 55.0, 99.5, 60.0]).unwrap();
        let names: Vec<&str> = unlikely.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["v0", "v3"]);
        assert!(unlikely[0].1.contains("its EF is 0.55 %"), "{unlikely:?}");
    }

    #[test]
    fn a_split_or_a_tenth_of_one_in_another_unit_is_an_error() {
        let check = |train: &[f32], test: &[f32]| check_all("EF", &[(train, Split::Train), (test, Split::Test)]);
        let error = check(&[55.0; 20], &[0.5, 0.6, 0.7]).unwrap_err();
        assert!(error.contains("3 of 3 values of the test split") && error.contains("`scale = 100`"), "{error}");
        let mixed: Vec<f32> = (0..30).map(|place| if place % 10 == 0 { 0.5 } else { 55.0 }).collect();
        assert!(check(&mixed, &[55.0]).unwrap_err().contains("3 of 30 values"));
        assert_eq!(check(&mixed[1..], &[55.0]).unwrap().len(), 2);
    }
}
