//! The forty tasks of the released weights: facts, in the order of the release.

use echo_core::{Head, HeadKind};

const LEFT_VENTRICLE: &str = "Left ventricle";
const DIASTOLE: &str = "Diastolic function";
const RIGHT_VENTRICLE: &str = "Right ventricle";
const ATRIA: &str = "Atria";
const AORTIC_VALVE: &str = "Aortic valve and outflow tract";
const MITRAL_VALVE: &str = "Mitral valve";
const TRICUSPID_VALVE: &str = "Tricuspid valve";
const AORTA: &str = "Aorta";
const PERICARDIUM: &str = "Pericardium";

/// Of the aortic root the mean and twice the standard deviation.
const CHAMBERS: &str = "Lang et al., J Am Soc Echocardiogr 2015;28:1-39";
/// The last to have atria that are not indexed to the body's surface.
const CHAMBERS_2005: &str = "Lang et al., J Am Soc Echocardiogr 2005;18:1440-63";
const RIGHT_HEART: &str = "Rudski et al., J Am Soc Echocardiogr 2010;23:685-713";
const DIASTOLIC_FUNCTION: &str = "Nagueh et al., J Am Soc Echocardiogr 2016;29:277-314";
const VALVES: &str = "Otto et al., Circulation 2021;143:e72-e227";

/// No limit.
const LEAST: f32 = f32::NEG_INFINITY;
/// No limit.
const MOST: f32 = f32::INFINITY;

/// Every task. What is normal is of adults; measurements whose guideline goes by another view, unit or index have none.
pub static TASKS: [Head; 40] =
    [
        first_of(
            PERICARDIUM,
            "pericardial-effusion",
            ["mild_mod_severe", "none_trace"],
            "pericardial effusion, mild or more",
        ),
        regression(LEFT_VENTRICLE, "EF", "%", "left-ventricular ejection fraction").with_normal(
            [52.0, 72.0],
            [54.0, 74.0],
            CHAMBERS,
        ),
        regression(LEFT_VENTRICLE, "GLS", "%", "left-ventricular global longitudinal strain without its minus sign"),
        regression(LEFT_VENTRICLE, "LVEDV", "mL", "left-ventricular volume at end diastole").with_normal(
            [62.0, 150.0],
            [46.0, 106.0],
            CHAMBERS,
        ),
        regression(LEFT_VENTRICLE, "LVESV", "mL", "left-ventricular volume at end systole").with_normal(
            [21.0, 61.0],
            [14.0, 42.0],
            CHAMBERS,
        ),
        regression(LEFT_VENTRICLE, "LVSV", "mL", "left-ventricular stroke volume"),
        multi_class(
            LEFT_VENTRICLE,
            "LVSize",
            &["Mildly Increased", "Moderately|Severely Increased", "Normal"],
            "size of the left ventricle",
        ),
        first_of(
            LEFT_VENTRICLE,
            "LVWallThickness-increased-any",
            ["Increased", "Normal"],
            "thickened left-ventricular wall, to any degree",
        ),
        first_of(
            LEFT_VENTRICLE,
            "LVWallThickness-increased-modsev",
            ["Moderately|severely increased", "Normal or mildly increased"],
            "thickened left-ventricular wall, moderate or more",
        ),
        multi_class(
            LEFT_VENTRICLE,
            "LVSystolicFunction",
            &["Mildly Decreased", "Moderately|Severely Decreased", "Normal|Hyperdynamic"],
            "systolic function of the left ventricle",
        ),
        second_of(
            LEFT_VENTRICLE,
            "LVWallMotionAbnormalities",
            ["None", "Present"],
            "regional wall motion abnormality of the left ventricle",
        ),
        regression(LEFT_VENTRICLE, "IVSd", "cm", "thickness of the interventricular septum in diastole").with_normal(
            [0.6, 1.0],
            [0.6, 0.9],
            CHAMBERS,
        ),
        regression(LEFT_VENTRICLE, "LVPWd", "cm", "thickness of the posterior wall in diastole").with_normal(
            [0.6, 1.0],
            [0.6, 0.9],
            CHAMBERS,
        ),
        regression(LEFT_VENTRICLE, "LVIDs", "cm", "inner diameter of the left ventricle in systole").with_normal(
            [2.5, 4.0],
            [2.2, 3.5],
            CHAMBERS,
        ),
        regression(LEFT_VENTRICLE, "LVIDd", "cm", "inner diameter of the left ventricle in diastole").with_normal(
            [4.2, 5.8],
            [3.8, 5.2],
            CHAMBERS,
        ),
        regression(LEFT_VENTRICLE, "LVOTDiam", "cm", "diameter of the left-ventricular outflow tract"),
        multi_class(
            DIASTOLE,
            "LVDiastolicFunction",
            &["Mild|Indeterminate", "Moderate|Severe", "Normal"],
            "diastolic dysfunction of the left ventricle",
        ),
        regression(DIASTOLE, "E|EAvg", "", "E/e', the mean of both sides of the mitral annulus").with_normal(
            [LEAST, 14.0],
            [LEAST, 14.0],
            DIASTOLIC_FUNCTION,
        ),
        regression(RIGHT_VENTRICLE, "RVSP", "mmHg", "right-ventricular systolic pressure").with_normal(
            [LEAST, 35.0],
            [LEAST, 35.0],
            RIGHT_HEART,
        ),
        multi_class(
            RIGHT_VENTRICLE,
            "RVSize",
            &["Mildly Increased", "Moderately|Severely Increased", "Normal"],
            "size of the right ventricle",
        ),
        first_of(
            RIGHT_VENTRICLE,
            "RVSystolicFunction",
            ["Decreased", "Normal"],
            "reduced systolic function of the right ventricle",
        ),
        regression(RIGHT_VENTRICLE, "RVIDd", "cm", "inner diameter of the right ventricle in diastole"),
        regression(RIGHT_VENTRICLE, "TAPSE", "cm", "systolic excursion of the tricuspid annulus").with_normal(
            [1.7, MOST],
            [1.7, MOST],
            CHAMBERS,
        ),
        regression(RIGHT_VENTRICLE, "RVSVel", "cm/s", "systolic velocity of the right ventricle's wall, S'")
            .with_normal([9.5, MOST], [9.5, MOST], CHAMBERS),
        multi_class(
            ATRIA,
            "LASize",
            &["Mildly Dilated", "Moderately|Severely Dilated", "Normal"],
            "size of the left atrium",
        ),
        regression(ATRIA, "LAIDs2D", "cm", "inner diameter of the left atrium in systole").with_normal(
            [3.0, 4.0],
            [2.7, 3.8],
            CHAMBERS_2005,
        ),
        regression(ATRIA, "LAVol", "mL", "volume of the left atrium").with_normal(
            [18.0, 58.0],
            [22.0, 52.0],
            CHAMBERS_2005,
        ),
        first_of(ATRIA, "RASize", ["Dilated", "Normal"], "dilated right atrium"),
        regression(ATRIA, "RADimensionM-L(cm)", "cm", "mediolateral (minor) dimension of the right atrium")
            .with_normal([LEAST, 4.4], [LEAST, 4.4], RIGHT_HEART),
        first_of(AORTIC_VALVE, "AVStructure", ["Bicuspid", "Normal"], "bicuspid aortic valve"),
        multi_class(AORTIC_VALVE, "AVStenosis", &["Mild|Moderate", "None", "Severe"], "stenosis of the aortic valve"),
        regression(AORTIC_VALVE, "AVPkVel(m|s)", "m/s", "peak velocity through the aortic valve").with_normal(
            [LEAST, 2.0],
            [LEAST, 2.0],
            VALVES,
        ),
        multi_class(
            AORTIC_VALVE,
            "AVRegurg",
            &["Mild", "Moderate|Severe", "None|Trace"],
            "regurgitation of the aortic valve",
        ),
        second_of(
            AORTIC_VALVE,
            "LVOT20mmHg",
            ["0.0", "1.0"],
            "gradient over the left-ventricular outflow tract of 20 mmHg or more",
        ),
        first_of(MITRAL_VALVE, "MVStenosis", ["Mild|Moderate|Severe", "None"], "stenosis of the mitral valve"),
        multi_class(
            MITRAL_VALVE,
            "MVRegurgitation",
            &["Mild", "Moderate|Severe", "None|Trace"],
            "regurgitation of the mitral valve",
        ),
        multi_class(
            TRICUSPID_VALVE,
            "TVRegurgitation",
            &["Mild", "Moderate|Severe", "None|Trace"],
            "regurgitation of the tricuspid valve",
        ),
        regression(TRICUSPID_VALVE, "TVPkGrad", "mmHg", "peak gradient over the tricuspid valve"),
        second_of(ATRIA, "RAP-8-or-higher", ["0.0", "1.0"], "right-atrial pressure of 8 mmHg or more"),
        regression(AORTA, "AORoot", "cm", "diameter of the aortic root").with_normal([2.8, 4.0], [2.4, 3.6], CHAMBERS),
    ];

/// The task of that name.
pub fn task(name: &str) -> Option<&'static Head> {
    TASKS.iter().find(|task| task.name == name)
}

const fn regression(part: &'static str, name: &'static str, unit: &'static str, meaning: &'static str) -> Head {
    Head { name, kind: HeadKind::Regression { unit }, meaning, part, normal: None }
}

/// The first finding's probability is reported.
const fn first_of(part: &'static str, name: &'static str, classes: [&'static str; 2], meaning: &'static str) -> Head {
    Head { name, kind: HeadKind::Binary { classes, reported: 0 }, meaning, part, normal: None }
}

/// The second finding's probability is reported.
const fn second_of(part: &'static str, name: &'static str, classes: [&'static str; 2], meaning: &'static str) -> Head {
    Head { name, kind: HeadKind::Binary { classes, reported: 1 }, meaning, part, normal: None }
}

const fn multi_class(
    part: &'static str,
    name: &'static str,
    classes: &'static [&'static str],
    meaning: &'static str,
) -> Head {
    Head { name, kind: HeadKind::MultiClass { classes }, meaning, part, normal: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_found_by_its_own_name() {
        for head in &TASKS {
            assert_eq!(task(head.name), Some(head), "a second task is named {}", head.name);
        }
        assert_eq!(task("ef"), None);
    }

    #[test]
    fn the_tasks_are_19_findings_and_21_measurements_of_which_seven_report_the_first_finding() {
        let count = |wanted: fn(&HeadKind) -> bool| TASKS.iter().filter(|task| wanted(&task.kind)).count();
        assert_eq!(count(|kind| matches!(kind, HeadKind::Regression { .. })), 21);
        assert_eq!(count(|kind| matches!(kind, HeadKind::MultiClass { .. })), 9);
        assert_eq!(count(|kind| matches!(kind, HeadKind::Binary { reported: 0, .. })), 7);
        assert_eq!(count(|kind| matches!(kind, HeadKind::Binary { reported: 1, .. })), 3);
        assert_eq!(TASKS.iter().map(Head::outputs).sum::<usize>(), 58);
    }
}
