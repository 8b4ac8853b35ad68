//! What a DICOM file says beside its pixels.

use super::data_set::{DataSet, Values};
use super::tags::{
    MODALITY, PATIENT_ID, PIXEL_SPACING, REGION_DATA_TYPE, REGION_DELTAS, REGION_SIDES, REGION_SPATIAL_FORMAT,
    REGION_UNITS, SOP_CLASS, SOP_INSTANCE, STUDY,
};

/// The unit of a region's axis that is a length: centimetres.
const CENTIMETRES: i64 = 3;

/// What a DICOM file says beside its pixels. Identifiers are those of the file: never print or write them unasked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DicomFacts {
    /// The kind of object (SOP class UID).
    pub sop_class: Option<String>,
    /// This file's own identifier (SOP instance UID).
    pub instance: Option<String>,
    /// The study's identifier (study instance UID).
    pub study: Option<String>,
    /// The patient's identifier (patient ID).
    pub patient: Option<String>,
    /// `US` for ultrasound.
    pub modality: Option<String>,
    /// Centimetres between rows and between columns, where the picture is calibrated and has one such region.
    pub spacing: Option<[f64; 2]>,
    /// What the picture is made of.
    pub regions: Vec<Region>,
}

/// A part of an ultrasound picture (PS3.3, C.8.5.5).
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// 1: a 2-D picture, 2: M-mode, 3: a spectrum, 4: a curve, 5: graphics.
    pub format: u16,
    /// 1: tissue, 2: colour flow, 3 and 4: Doppler spectra, 10: an ECG, ...
    pub data_type: u16,
    /// Left, top, right and bottom, in pixels; the last two are inside.
    pub sides: [u32; 4],
    /// Centimetres between rows and between columns, where both are lengths.
    pub spacing: Option<[f64; 2]>,
}

impl DicomFacts {
    pub(super) fn of(data_set: &DataSet) -> Self {
        let values = &data_set.values;
        let regions: Vec<Region> = data_set.regions.iter().filter_map(Region::of).collect();
        let mut pictures = regions.iter().filter(|region| region.format == 1);
        let of_region = match (pictures.next(), pictures.next()) {
            (Some(only), None) => only.spacing,
            _ => None,
        };
        let of_image = match values.decimals(PIXEL_SPACING)[..] {
            // Millimetres.
            [row, column] if row > 0.0 && column > 0.0 && regions.is_empty() => Some([row / 10.0, column / 10.0]),
            _ => None,
        };
        Self {
            sop_class: values.text(SOP_CLASS),
            instance: values.text(SOP_INSTANCE),
            study: values.text(STUDY),
            patient: values.text(PATIENT_ID),
            modality: values.text(MODALITY),
            spacing: of_region.or(of_image),
            regions,
        }
    }

    /// The kind of object, in words.
    pub(super) fn what(&self) -> String {
        let class = self.sop_class.as_deref().unwrap_or_default();
        match class.strip_prefix("1.2.840.10008.5.1.4.1.1.") {
            Some(class) if class.starts_with("88.") => "a structured report (DICOM)".to_owned(),
            Some(class) if class.starts_with("104.") => "a document (DICOM)".to_owned(),
            Some(class) if class.starts_with("11.") => "a presentation state (DICOM)".to_owned(),
            Some("9.1.2" | "9.1.1" | "9.2.1") => "an ECG (DICOM)".to_owned(),
            Some("66") => "raw data (DICOM)".to_owned(),
            None if class.is_empty() => "a DICOM object of no kind, such as a DICOMDIR".to_owned(),
            _ => format!("a DICOM object {class}"),
        }
    }

    /// What a picture shows that is no moving 2-D picture: a spectrum or M-mode.
    pub fn trace(&self) -> Option<&'static str> {
        let has = |format: u16| self.regions.iter().any(|region| region.format == format);
        match () {
            () if has(3) => Some("a Doppler spectrum"),
            () if has(2) => Some("M-mode"),
            () => None,
        }
    }

    /// A warning where a region lies outside of a picture of this size.
    pub(super) fn outside(&self, width: usize, height: usize) -> Option<String> {
        let lies_outside = |region: &&Region| region.sides[2] as usize >= width || region.sides[3] as usize >= height;
        let [left, top, right, bottom] = self.regions.iter().find(lies_outside)?.sides;
        Some(format!(
            "its region from {left},{top} to {right},{bottom} lies outside of the picture: the picture was resized or cut \
             after it was taken, so spacing is not to be trusted"
        ))
    }
}

impl Region {
    /// `None` for a region without sides.
    fn of(values: &Values) -> Option<Self> {
        let [left, top, right, bottom] =
            REGION_SIDES.map(|tag| values.whole(tag).and_then(|side| u32::try_from(side).ok()));
        let sides = [left?, top?, right?, bottom?];
        let lengths = REGION_UNITS.iter().all(|&tag| values.whole(tag) == Some(CENTIMETRES));
        let [columns, rows] = REGION_DELTAS.map(|tag| values.float(tag).map(f64::abs).filter(|&delta| delta > 0.0));
        Some(Self {
            format: values.word(REGION_SPATIAL_FORMAT)?,
            data_type: values.word(REGION_DATA_TYPE).unwrap_or_default(),
            sides,
            spacing: rows.zip(columns).filter(|_| lengths).map(|(row, column)| [row, column]),
        })
    }
}
