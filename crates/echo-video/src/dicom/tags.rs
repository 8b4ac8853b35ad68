//! The elements that are read, by the names of DICOM's data dictionary (PS3.6).

use std::fmt;

/// Group and number of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(pub(crate) u16, pub(crate) u16);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:04X},{:04X})", self.0, self.1)
    }
}

pub(crate) const META_GROUP: u16 = 0x0002;
pub(crate) const TRANSFER_SYNTAX: Tag = Tag(META_GROUP, 0x0010);

pub(crate) const ITEM: Tag = Tag(0xfffe, 0xe000);
pub(crate) const ITEM_END: Tag = Tag(0xfffe, 0xe00d);
pub(crate) const SEQUENCE_END: Tag = Tag(0xfffe, 0xe0dd);

pub(crate) const SOP_CLASS: Tag = Tag(0x0008, 0x0016);
pub(crate) const SOP_INSTANCE: Tag = Tag(0x0008, 0x0018);
pub(crate) const MODALITY: Tag = Tag(0x0008, 0x0060);
pub(crate) const DISPLAY_FRAME_RATE: Tag = Tag(0x0008, 0x2144);
pub(crate) const PATIENT_ID: Tag = Tag(0x0010, 0x0020);
pub(crate) const CINE_RATE: Tag = Tag(0x0018, 0x0040);
pub(crate) const FRAME_TIME: Tag = Tag(0x0018, 0x1063);
pub(crate) const FRAME_TIME_VECTOR: Tag = Tag(0x0018, 0x1065);
pub(crate) const STUDY: Tag = Tag(0x0020, 0x000d);
pub(crate) const SAMPLES: Tag = Tag(0x0028, 0x0002);
pub(crate) const PHOTOMETRIC: Tag = Tag(0x0028, 0x0004);
pub(crate) const PLANAR: Tag = Tag(0x0028, 0x0006);
pub(crate) const FRAMES: Tag = Tag(0x0028, 0x0008);
pub(crate) const ROWS: Tag = Tag(0x0028, 0x0010);
pub(crate) const COLUMNS: Tag = Tag(0x0028, 0x0011);
pub(crate) const PIXEL_SPACING: Tag = Tag(0x0028, 0x0030);
pub(crate) const BITS_ALLOCATED: Tag = Tag(0x0028, 0x0100);
pub(crate) const BITS_STORED: Tag = Tag(0x0028, 0x0101);
pub(crate) const SIGNED: Tag = Tag(0x0028, 0x0103);
pub(crate) const WINDOW_CENTER: Tag = Tag(0x0028, 0x1050);
pub(crate) const WINDOW_WIDTH: Tag = Tag(0x0028, 0x1051);
pub(crate) const INTERCEPT: Tag = Tag(0x0028, 0x1052);
pub(crate) const SLOPE: Tag = Tag(0x0028, 0x1053);
/// Entries, first index and bits of the palette's red, green and blue.
pub(crate) const PALETTES: [Tag; 3] = [Tag(0x0028, 0x1101), Tag(0x0028, 0x1102), Tag(0x0028, 0x1103)];
pub(crate) const PALETTE_DATA: [Tag; 3] = [Tag(0x0028, 0x1201), Tag(0x0028, 0x1202), Tag(0x0028, 0x1203)];
pub(crate) const PIXEL_DATA: Tag = Tag(0x7fe0, 0x0010);
/// Where each frame begins, and its length.
pub(crate) const EXTENDED_OFFSETS: [Tag; 2] = [Tag(0x7fe0, 0x0001), Tag(0x7fe0, 0x0002)];

pub(crate) const REGIONS: Tag = Tag(0x0018, 0x6011);
pub(crate) const REGION_SPATIAL_FORMAT: Tag = Tag(0x0018, 0x6012);
pub(crate) const REGION_DATA_TYPE: Tag = Tag(0x0018, 0x6014);
/// Left, top, right and bottom, in pixels.
pub(crate) const REGION_SIDES: [Tag; 4] =
    [Tag(0x0018, 0x6018), Tag(0x0018, 0x601a), Tag(0x0018, 0x601c), Tag(0x0018, 0x601e)];
/// Units of columns and rows.
pub(crate) const REGION_UNITS: [Tag; 2] = [Tag(0x0018, 0x6024), Tag(0x0018, 0x6026)];
/// Such units between columns and between rows.
pub(crate) const REGION_DELTAS: [Tag; 2] = [Tag(0x0018, 0x602c), Tag(0x0018, 0x602e)];

/// What is kept of a data set.
pub(crate) const WANTED: [Tag; 32] = [
    SOP_CLASS,
    SOP_INSTANCE,
    MODALITY,
    DISPLAY_FRAME_RATE,
    PATIENT_ID,
    CINE_RATE,
    FRAME_TIME,
    FRAME_TIME_VECTOR,
    STUDY,
    SAMPLES,
    PHOTOMETRIC,
    PLANAR,
    FRAMES,
    ROWS,
    COLUMNS,
    PIXEL_SPACING,
    BITS_ALLOCATED,
    BITS_STORED,
    SIGNED,
    WINDOW_CENTER,
    WINDOW_WIDTH,
    INTERCEPT,
    SLOPE,
    PALETTES[0],
    PALETTES[1],
    PALETTES[2],
    PALETTE_DATA[0],
    PALETTE_DATA[1],
    PALETTE_DATA[2],
    EXTENDED_OFFSETS[0],
    EXTENDED_OFFSETS[1],
    TRANSFER_SYNTAX,
];

/// What is kept of a region.
pub(crate) const WANTED_OF_REGIONS: [Tag; 10] = [
    REGION_SPATIAL_FORMAT,
    REGION_DATA_TYPE,
    REGION_SIDES[0],
    REGION_SIDES[1],
    REGION_SIDES[2],
    REGION_SIDES[3],
    REGION_UNITS[0],
    REGION_UNITS[1],
    REGION_DELTAS[0],
    REGION_DELTAS[1],
];
