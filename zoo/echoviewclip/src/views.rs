//! The views that it tells apart, and the sentences that say so.

/// Views, in the order of the checkpoint's labels.
pub const VIEWS: &[&str] = &[
    "Apical 4C 2D",
    "Apical 2C 2D",
    "Apical 3C 2D",
    "Parasternal Mitral Valve Short Axis",
    "Parasternal Papillary Muscle Short Axis 2D",
    "Parasternal Apical Short Axis 2D",
    "Apical 5C AV CW",
    "Subxiphoid IVC 2D",
    "Parasternal Long Axis 2D",
    "Parasternal Long Axis of the Pulmonary Artery",
    "Parasternal Short Axis Tricuspid PW",
    "Apical 4C Color",
    "Apical 4C MV Annulus TDI PW",
    "Parasternal Long Axis Color",
    "Apical 4C MV PW",
    "Parasternal Short Axis Tricuspid Color",
    "Parasternal Long Axis M-mode",
    "Apical 4C Right Ventricular Focus",
    "Parasternal Right Ventricular Outflow Tract Color",
    "Parasternal Right Ventricular Outflow Tract RVOT PW",
    "Parasternal Right Ventricular Outflow Tract PA PW",
    "Apical 4C TV Annulus TDI PW",
    "Apical 4C TAPSE",
    "Parasternal Right Ventricular Inflow Tract Color",
    "Parasternal Right Ventricular Inflow Tract 2D",
    "Parasternal Short Axis Tricuspid Regurgitation CW",
    "Subxiphoid IVC M-mode",
    "Suprasternal Notch",
    "Parasternal Right Ventricular Outflow Tract PR CW",
    "A4C LVO",
    "A3C LVO",
    "A4C MCE",
    "A3C MCE",
    "A2C MCE",
    "A2C LVO",
    "A4C MCE Flash",
    "A2C MCE Flash",
    "A3C MCE Flash",
];

/// How a sentence of a view begins.
pub(crate) const SHOWN: &str = "a photo of a";

/// How one begins that denies it.
pub(crate) const DENIED: &str = "a photo without a";

/// Sentences of what a video shows or does not, by their beginning.
pub(crate) fn sentences(beginning: &str, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{beginning} {name}.")).collect()
}
