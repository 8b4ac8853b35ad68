//! Values that a target can hardly have: most often the right number in another unit.

use crate::{DatasetVideo, Split, Target};

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
        "ml" => Some([1.0, 1000.0]),
        _ => None,
    }
}

/// The videos whose value is not plausible, and what it is.
///
/// # Errors
/// Half of the values or more are not plausible, or a tenth of a split's and three at least, as where a table was put
/// together from two: what to do.
pub(crate) fn check_unit(target: &Target, videos: &[DatasetVideo]) -> Result<Vec<(String, String)>, String> {
    let all: Vec<&DatasetVideo> = videos.iter().collect();
    let unlikely = check_part(target, "", &all, |few, all| few * 2 >= all)?;
    for split in [Split::Train, Split::Validation, Split::Test] {
        let part: Vec<&DatasetVideo> = videos.iter().filter(|video| video.split == split).collect();
        check_part(target, &format!(" of the {split} split"), &part, |few, all| few >= 3 && few * 10 >= all)?;
    }
    Ok(unlikely)
}

/// The videos of `part` whose value is not plausible; an error where these are so many that it is `wrong`.
fn check_part(
    target: &Target,
    part: &str,
    videos: &[&DatasetVideo],
    wrong: fn(usize, usize) -> bool,
) -> Result<Vec<(String, String)>, String> {
    let Some([least, most]) = target.plausible else { return Ok(Vec::new()) };
    let Target { name, unit, column, scale, .. } = target;
    let is_plausible = |value: f64| (least..=most).contains(&value);
    let of = |video: &DatasetVideo| f64::from(video.truth);
    let unlikely: Vec<&DatasetVideo> = videos.iter().copied().filter(|video| !is_plausible(of(video))).collect();
    let (few, all) = (unlikely.len(), videos.len());
    if few == 0 || !wrong(few, all) {
        let reason = |video: &DatasetVideo| {
            format!("its {name} is {} {unit}; plausible is {least} to {most} {unit}", video.truth)
        };
        return Ok(unlikely.into_iter().map(|video| (video.name.clone(), reason(video))).collect());
    }
    let mut values: Vec<f64> = unlikely.iter().map(|video| of(video)).collect();
    values.sort_by(f64::total_cmp);
    let (lowest, median, highest) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    let factor = factors(unit).iter().find(|&&factor| is_plausible(median * factor));
    let what_to_do = match factor {
        Some(factor) => format!(
            "they look like another unit: give `scale = {}` under [targets.{name}] in the data set's description (--dataset)",
            // As people write it.
            (scale * factor * 1e6).round() / 1e6
        ),
        None => format!("check the column, or give `plausible` under [targets.{name}] in the data set's description"),
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
    use crate::DatasetConfig;

    fn videos(values: &[f32], split: Split) -> Vec<DatasetVideo> {
        let video = |(place, &truth): (usize, &f32)| DatasetVideo {
            name: format!("v{place}"),
            path: "v.avi".into(),
            patient: None,
            truth,
            split,
        };
        values.iter().enumerate().map(video).collect()
    }

    fn check(target: &str, values: &[f32]) -> Result<Vec<(String, String)>, String> {
        check_unit(DatasetConfig::echonet().target(target).expect("a target"), &videos(values, Split::Test))
    }

    #[test]
    fn values_in_another_unit_are_an_error_that_gives_the_factor() {
        for (target, values, scale) in [
            ("EF", [0.21, 0.55, 0.73], "`scale = 100`"),
            ("EDV", [0.05, 0.12, 0.4], "`scale = 1000`"),
            ("EF", [2100.0, 5500.0, 7300.0], "`scale = 0.01`"),
        ] {
            let error = check(target, &values).unwrap_err();
            assert!(error.contains(scale) && error.contains(&format!("[targets.{target}]")), "{error}");
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
        let check = |train: &[f32], test: &[f32]| {
            let videos = [videos(train, Split::Train), videos(test, Split::Test)].concat();
            check_unit(DatasetConfig::echonet().target("EF").expect("a target"), &videos)
        };
        let error = check(&[55.0; 20], &[0.5, 0.6, 0.7]).unwrap_err();
        assert!(error.contains("3 of 3 values of the test split") && error.contains("`scale = 100`"), "{error}");
        let mixed: Vec<f32> = (0..30).map(|place| if place % 10 == 0 { 0.5 } else { 55.0 }).collect();
        assert!(check(&mixed, &[55.0]).unwrap_err().contains("3 of 30 values"));
        assert_eq!(check(&mixed[1..], &[55.0]).unwrap().len(), 2);
    }
}
