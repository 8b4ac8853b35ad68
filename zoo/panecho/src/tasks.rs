//! The forty tasks of the released weights: facts, in the order of the release.

use echo_core::{Head, HeadKind};

/// Every task.
pub static TASKS: [Head; 40] = [
    first_of("pericardial-effusion", ["mild_mod_severe", "none_trace"], "pericardial effusion, mild or more"),
    regression("EF", "%", "left-ventricular ejection fraction"),
    regression("GLS", "%", "left-ventricular global longitudinal strain without its minus sign"),
    regression("LVEDV", "mL", "left-ventricular volume at end diastole"),
    regression("LVESV", "mL", "left-ventricular volume at end systole"),
    regression("LVSV", "mL", "left-ventricular stroke volume"),
    multi_class(
        "LVSize",
        &["Mildly Increased", "Moderately|Severely Increased", "Normal"],
        "size of the left ventricle",
    ),
    first_of(
        "LVWallThickness-increased-any",
        ["Increased", "Normal"],
        "thickened left-ventricular wall, to any degree",
    ),
    first_of(
        "LVWallThickness-increased-modsev",
        ["Moderately|severely increased", "Normal or mildly increased"],
        "thickened left-ventricular wall, moderate or more",
    ),
    multi_class(
        "LVSystolicFunction",
        &["Mildly Decreased", "Moderately|Severely Decreased", "Normal|Hyperdynamic"],
        "systolic function of the left ventricle",
    ),
    second_of(
        "LVWallMotionAbnormalities",
        ["None", "Present"],
        "regional wall motion abnormality of the left ventricle",
    ),
    regression("IVSd", "cm", "thickness of the interventricular septum in diastole"),
    regression("LVPWd", "cm", "thickness of the posterior wall in diastole"),
    regression("LVIDs", "cm", "inner diameter of the left ventricle in systole"),
    regression("LVIDd", "cm", "inner diameter of the left ventricle in diastole"),
    regression("LVOTDiam", "cm", "diameter of the left-ventricular outflow tract"),
    multi_class(
        "LVDiastolicFunction",
        &["Mild|Indeterminate", "Moderate|Severe", "Normal"],
        "diastolic dysfunction of the left ventricle",
    ),
    regression("E|EAvg", "", "E/e', the mean of both sides of the mitral annulus"),
    regression("RVSP", "mmHg", "right-ventricular systolic pressure"),
    multi_class(
        "RVSize",
        &["Mildly Increased", "Moderately|Severely Increased", "Normal"],
        "size of the right ventricle",
    ),
    first_of("RVSystolicFunction", ["Decreased", "Normal"], "reduced systolic function of the right ventricle"),
    regression("RVIDd", "cm", "inner diameter of the right ventricle in diastole"),
    regression("TAPSE", "cm", "systolic excursion of the tricuspid annulus"),
    regression("RVSVel", "cm/s", "systolic velocity of the right ventricle's wall, S'"),
    multi_class("LASize", &["Mildly Dilated", "Moderately|Severely Dilated", "Normal"], "size of the left atrium"),
    regression("LAIDs2D", "cm", "inner diameter of the left atrium in systole"),
    regression("LAVol", "mL", "volume of the left atrium"),
    first_of("RASize", ["Dilated", "Normal"], "dilated right atrium"),
    regression("RADimensionM-L(cm)", "cm", "major dimension of the right atrium"),
    first_of("AVStructure", ["Bicuspid", "Normal"], "bicuspid aortic valve"),
    multi_class("AVStenosis", &["Mild|Moderate", "None", "Severe"], "stenosis of the aortic valve"),
    regression("AVPkVel(m|s)", "m/s", "peak velocity through the aortic valve"),
    multi_class("AVRegurg", &["Mild", "Moderate|Severe", "None|Trace"], "regurgitation of the aortic valve"),
    second_of("LVOT20mmHg", ["0.0", "1.0"], "gradient over the left-ventricular outflow tract of 20 mmHg or more"),
    first_of("MVStenosis", ["Mild|Moderate|Severe", "None"], "stenosis of the mitral valve"),
    multi_class("MVRegurgitation", &["Mild", "Moderate|Severe", "None|Trace"], "regurgitation of the mitral valve"),
    multi_class("TVRegurgitation", &["Mild", "Moderate|Severe", "None|Trace"], "regurgitation of the tricuspid valve"),
    regression("TVPkGrad", "mmHg", "peak gradient over the tricuspid valve"),
    second_of("RAP-8-or-higher", ["0.0", "1.0"], "right-atrial pressure of 8 mmHg or more"),
    regression("AORoot", "cm", "diameter of the aortic root"),
];

/// The task of that name.
pub fn task(name: &str) -> Option<&'static Head> {
    TASKS.iter().find(|task| task.name == name)
}

const fn regression(name: &'static str, unit: &'static str, meaning: &'static str) -> Head {
    Head { name, kind: HeadKind::Regression { unit }, meaning }
}

/// The first finding's probability is reported.
const fn first_of(name: &'static str, classes: [&'static str; 2], meaning: &'static str) -> Head {
    Head { name, kind: HeadKind::Binary { classes, reported: 0 }, meaning }
}

/// The second finding's probability is reported.
const fn second_of(name: &'static str, classes: [&'static str; 2], meaning: &'static str) -> Head {
    Head { name, kind: HeadKind::Binary { classes, reported: 1 }, meaning }
}

const fn multi_class(name: &'static str, classes: &'static [&'static str], meaning: &'static str) -> Head {
    Head { name, kind: HeadKind::MultiClass { classes }, meaning }
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
