"""Small DICOM files of every kind that the reader must read, with the pixels that pydicom gives for them.

    python crates/echo-video/tests/reference/dicom.py [--out DIRECTORY]

writes NAME.dcm and NAME.rgb for every file of FILES into tests/fixtures/dicom of this crate. NAME.rgb is what pydicom
makes of NAME.dcm, as bytes in the order frame, row, column, red green blue. What becomes of pixels that are not 8 bits
of colour is in `displayable`. A file without pixels has no .rgb. Every decoded picture is compared with the drawn one,
and must be as near as FILES says: files without loss are the drawn picture itself.

The pictures are three frames of 26 x 21: a grey sector that a red and blue patch crosses.

JPEG Baseline is decoded by GDCM, which pydicom takes first where it is installed; its pixels are libjpeg's, as Pillow's
and DCMTK's are. Those of pylibjpeg are up to 2 levels away from them, and up to 18 beside edges where chroma is
subsampled: in the second of every 8 columns it weighs the nearer chroma more than 3 to 1. All of pydicom's decoders agree
about the other files as far as they read them; only pylibjpeg reads JPEG of 12 bits.

Written against pydicom 3.0.2, python-gdcm 3.2.6, pylibjpeg 2.1.0 with pylibjpeg-libjpeg 2.5.0, pylibjpeg-openjpeg 2.6.0 and
pylibjpeg-rle 2.2.0, pyjpegls 1.5.1, imagecodecs 2026.3.6 (JPEG by libjpeg-turbo 3.1.3, HTJ2K by OpenJPH 0.26.3),
Pillow 13.0.0 (JPEG 2000 by OpenJPEG 2.5.4) and numpy 2.4.6. Other versions of the encoders may write other bytes.
"""

import argparse
from io import BytesIO
from pathlib import Path

import imagecodecs
import jpeg_ls
import numpy as np
from PIL import Image
from pydicom import Dataset, FileMetaDataset, dcmread, dcmwrite, uid
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels import apply_color_lut, apply_windowing, convert_color_space, pixel_array

GOLDEN = Path(__file__).resolve().parent.parent / "fixtures" / "dicom"
FRAMES, ROWS, COLUMNS = 3, 21, 26

# The decoder that pydicom is told to use for compressed files. Empty: the first that reads a file, GDCM before others.
PLUGIN = ""

# Made of these words, under pydicom's root: always the same.
STUDY, SERIES = (uid.generate_uid(entropy_srcs=["echozoo phantom", level]) for level in ("study", "series"))


# Pictures


def grey():
    """A sector seen from its apex, brightest at a depth that changes with the frame: f64 from 0 to 1."""
    t, y, x = np.mgrid[0:FRAMES, 0:ROWS, 0:COLUMNS].astype(float)
    x = x - (COLUMNS - 1) / 2
    depth, angle = np.hypot(x, y + 2), np.arctan2(x, y + 2)
    wall = np.exp(-(((depth - 12 - 2 * t) / 4) ** 2)) * (0.75 + 0.25 * np.cos(3 * angle + t))
    return np.where(np.abs(angle) < 0.75, 0.15 + 0.8 * wall, 0.0) * (depth < 22)


def grey_levels(bits):
    return np.floor(grey() * (2**bits - 1) + 0.5).astype(np.uint8 if bits <= 8 else np.uint16)


def colours():
    """The sector in grey with flow in it, red towards the apex and blue away from it: u8."""
    picture = np.repeat(grey_levels(8)[..., np.newaxis], 3, axis=-1)
    t, y, x = np.mgrid[0:FRAMES, 0:ROWS, 0:COLUMNS]
    flow = (x - 10 - 2 * t) ** 2 + (y - 11) ** 2 <= 20
    speed = (70 + 12 * y - 8 * t).clip(0, 255).astype(np.uint8)
    nothing = np.zeros_like(speed)
    picture[flow] = np.where(
        (x < 10 + 2 * t)[..., np.newaxis],
        np.stack([speed, speed // 4, nothing], axis=-1),
        np.stack([nothing, speed // 3, speed], axis=-1),
    )[flow]
    return picture


def palette():
    """256 entries of 16 bits for red, green and blue, from black over red and yellow to white."""
    entry = np.arange(256)
    ramps = [np.clip(3 * entry - start, 0, 255) for start in (0, 255, 510)]
    # Low bytes that are not the high ones: a reader that takes the wrong byte is found out.
    return [(ramp * 256 + 255 - entry).astype("<u2") for ramp in ramps]


# Data sets


def dataset(name, sop_class, syntax):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.ImplementationClassUID = uid.PYDICOM_IMPLEMENTATION_UID
    ds.file_meta.ImplementationVersionName = "PHANTOM"
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = uid.generate_uid(entropy_srcs=["echozoo phantom", name])
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "20260101", "120000", ""
    ds.Manufacturer, ds.ReferringPhysicianName = "Phantom", ""
    ds.PatientName, ds.PatientID = "Phantom^Test", "PHANTOM-1"
    ds.PatientBirthDate, ds.PatientSex = "", ""
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, SERIES
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", 1, 1
    return ds


def tissue():
    """A region of two-dimensional tissue, with centimetres along both axes."""
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 2, 1
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 23, 19
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.05
    return region


def spectrum():
    """A region of pulsed-wave Doppler, with seconds and centimetres a second along the axes."""
    region = tissue()
    region.RegionSpatialFormat, region.RegionDataType = 3, 3
    region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection = 4, 7
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.005, -1.5
    return region


def loop(name, syntax, photometric, stored=8, *, signed=False, lossy=False):
    """An ultrasound loop that lacks nothing but its pixels."""
    ds = dataset(name, uid.UltrasoundMultiFrameImageStorage, syntax)
    ds.Modality = "US"
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PatientOrientation = ""
    ds.SequenceOfUltrasoundRegions = [tissue()]
    ds.FrameTime, ds.FrameIncrementPointer = "33.333", 0x00181063
    ds.NumberOfFrames, ds.Rows, ds.Columns = FRAMES, ROWS, COLUMNS
    grey_or_index = photometric.startswith("MONOCHROME") or photometric == "PALETTE COLOR"
    ds.SamplesPerPixel = 1 if grey_or_index else 3
    ds.PhotometricInterpretation = photometric
    if not grey_or_index:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8 if stored <= 8 else 16, stored, stored - 1
    ds.PixelRepresentation = int(signed)
    ds.LossyImageCompression = "01" if lossy else "00"
    return ds


def native(ds, pixels):
    """Pixels as they are. 16 bits are in words; 8 bits too where the transfer syntax asks for it or is big-endian."""
    little = ds.file_meta.TransferSyntaxUID.is_little_endian
    words = ds.BitsAllocated == 16 or ds.file_meta.TransferSyntaxUID.is_implicit_VR or not little
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    data += b"\0" * (len(data) % 2)
    ds.PixelData = data if little or not words else np.frombuffer(data, "<u2").astype(">u2").tobytes()
    ds["PixelData"].VR = "OW" if words else "OB"
    return ds


def encapsulated(ds, frames, **layout):
    """One compressed stream for each frame. Unless `layout` says otherwise each is one fragment, in an offset table."""
    ds.PixelData = encapsulate([bytes(frame) for frame in frames], **layout)
    ds["PixelData"].VR = "OB"
    return ds


# Kinds of files, each a function of the file's name


def rgb(syntax=uid.ExplicitVRLittleEndian):
    return lambda name: native(loop(name, syntax, "RGB"), colours())


def rgb_implicit(name):
    ds = rgb(uid.ImplicitVRLittleEndian)(name)
    # Sequence and item end at delimiters.
    ds["SequenceOfUltrasoundRegions"].is_undefined_length = True
    ds.SequenceOfUltrasoundRegions[0].is_undefined_length_sequence_item = True
    return ds


def rgb_planar(name):
    ds = native(loop(name, uid.ExplicitVRLittleEndian, "RGB"), colours().transpose(0, 3, 1, 2))
    ds.PlanarConfiguration = 1
    return ds


def monochrome(photometric, stored, syntax=uid.ExplicitVRLittleEndian):
    def make(name):
        levels = grey_levels(stored)
        if photometric == "MONOCHROME1":
            levels = 2**stored - 1 - levels
        return native(loop(name, syntax, photometric, stored), levels)

    return make


def monochrome_windowed(name):
    ds = monochrome("MONOCHROME2", 16)(name)
    ds.WindowCenter, ds.WindowWidth = "30000", "40000"
    return ds


def monochrome_signed(name):
    ds = loop(name, uid.ExplicitVRLittleEndian, "MONOCHROME2", 12, signed=True)
    return native(ds, grey_levels(12).astype(np.int16) - 2048)


def palette_colour(entry_bits):
    def make(name):
        ds = native(loop(name, uid.ExplicitVRLittleEndian, "PALETTE COLOR"), grey_levels(8))
        for colour, entries in zip(("Red", "Green", "Blue"), palette(), strict=True):
            setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, entry_bits])
            # Two entries of 8 bits share a word.
            entries = entries if entry_bits == 16 else (entries >> 8).astype(np.uint8)
            setattr(ds, f"{colour}PaletteColorLookupTableData", entries.tobytes())
        return ds

    return make


def ybr():
    return convert_color_space(colours(), "RGB", "YBR_FULL")


def ybr_full(name):
    return native(loop(name, uid.ExplicitVRLittleEndian, "YBR_FULL"), ybr())


def ybr_full_422(name):
    """Two luma values, then the chroma of the left one of both pixels."""
    pairs = ybr().reshape(FRAMES, ROWS, COLUMNS // 2, 2, 3)
    pixels = np.concatenate([pairs[..., 0], pairs[..., 0, 1:]], axis=-1)
    return native(loop(name, uid.ExplicitVRLittleEndian, "YBR_FULL_422"), pixels)


def rle(uncompressed):
    def make(name):
        ds = uncompressed(name)
        ds.compress(uid.RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
        return ds

    return make


def without_application_markers(stream):
    """A JPEG stream less JFIF's and Adobe's markers, which libjpeg writes first."""
    while stream[2] == 0xFF and stream[3] & 0xF0 == 0xE0:
        stream = stream[:2] + stream[4 + int.from_bytes(stream[4:6], "big") :]
    return stream


def jpeg_ybr_frames(subsampling):
    options = {"colorspace": "RGB", "outcolorspace": "YCBCR", "subsampling": subsampling}
    return [imagecodecs.jpeg8_encode(frame, 90, **options) for frame in colours()]


def jpeg_422_frames():
    """As some scanners write them: nothing in the streams says which colours they have."""
    return [without_application_markers(stream) for stream in jpeg_ybr_frames("422")]


def jpeg_422(**layout):
    return lambda name: encapsulated(
        loop(name, uid.JPEGBaseline8Bit, "YBR_FULL_422", lossy=True), jpeg_422_frames(), **layout
    )


def jpeg_ybr(photometric, subsampling):
    return lambda name: encapsulated(
        loop(name, uid.JPEGBaseline8Bit, photometric, lossy=True), jpeg_ybr_frames(subsampling)
    )


def jpeg(syntax, photometric, stored=8, **options):
    """JPEG of colours as they are, or of grey. Lossless with `lossless` and `predictor`."""

    def make(name):
        ds = loop(name, syntax, photometric, stored, lossy="lossless" not in options)
        if photometric == "RGB":
            picture, colour = colours(), {"colorspace": "RGB", "outcolorspace": "RGB"}
        else:
            picture, colour = grey_levels(stored), {}
        streams = [imagecodecs.jpeg8_encode(f, 90, bitspersample=stored, **colour, **options) for f in picture]
        return encapsulated(ds, streams)

    return make


def jpegls(photometric, stored=8, *, near=0, interleave=0):
    def make(name):
        syntax = uid.JPEGLSNearLossless if near else uid.JPEGLSLossless
        ds = loop(name, syntax, photometric, stored, lossy=near > 0)
        picture = colours() if photometric == "RGB" else grey_levels(stored)
        options = {"lossy_error": near, "interleave_mode": interleave}
        streams = [
            jpeg_ls.encode_buffer(frame.tobytes(), ROWS, COLUMNS, ds.SamplesPerPixel, stored, **options)
            for frame in picture
        ]
        return encapsulated(ds, streams)

    return make


def jpeg2000_stream(frame, lossy):
    """A bare codestream with as many resolutions as fit into the picture. Of colours it makes YBR_RCT or YBR_ICT."""
    options = {"no_jp2": True, "num_resolutions": 5, "mct": int(frame.ndim == 3), "irreversible": lossy}
    if lossy:
        options |= {"quality_mode": "dB", "quality_layers": [40]}
    stream = BytesIO()
    Image.fromarray(frame).save(stream, "JPEG2000", **options)
    return stream.getvalue()


def jpeg2000(photometric, stored=8):
    def make(name):
        lossy = photometric == "YBR_ICT"
        ds = loop(name, uid.JPEG2000 if lossy else uid.JPEG2000Lossless, photometric, stored, lossy=lossy)
        picture = colours() if ds.SamplesPerPixel == 3 else grey_levels(stored)
        return encapsulated(ds, [jpeg2000_stream(frame, lossy) for frame in picture])

    return make


def htj2k(name):
    ds = loop(name, uid.HTJ2KLossless, "YBR_RCT")
    return encapsulated(ds, [imagecodecs.htj2k_encode(frame, rgb=True, reversible=True) for frame in colours()])


def fragments_extended_table(name):
    """Where the frames begin is said beside the pixels, and the table in them is empty."""
    ds = loop(name, uid.JPEGBaseline8Bit, "YBR_FULL_422", lossy=True)
    data, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(jpeg_422_frames())
    ds.PixelData = data
    ds["PixelData"].VR = "OB"
    return ds


def frame_time_vector(name):
    ds = rgb()(name)
    del ds.FrameTime
    ds.FrameTimeVector, ds.FrameIncrementPointer = [0, 30, 40], 0x00181065
    return ds


def single_frame(name):
    ds = native(loop(name, uid.ExplicitVRLittleEndian, "RGB"), colours()[:1])
    ds.SOPClassUID = uid.UltrasoundImageStorage
    del ds.NumberOfFrames, ds.FrameTime, ds.FrameIncrementPointer
    return ds


def doppler(name):
    ds = rgb()(name)
    ds.SequenceOfUltrasoundRegions = [spectrum()]
    return ds


def code(value, scheme, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def structured_report(name):
    ds = dataset(name, uid.ComprehensiveSRStorage, uid.ExplicitVRLittleEndian)
    ds.Modality, ds.SeriesDescription = "SR", ""
    ds.ContentDate, ds.ContentTime = "20260101", "120000"
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = [code("125200", "DCM", "Adult Echocardiography Procedure Report")]

    measured = Dataset()
    measured.NumericValue = "60"
    measured.MeasurementUnitsCodeSequence = [code("%", "UCUM", "Percent")]
    fraction = Dataset()
    fraction.RelationshipType, fraction.ValueType = "CONTAINS", "NUM"
    fraction.ConceptNameCodeSequence = [code("18043-0", "LN", "Left Ventricular Ejection Fraction")]
    fraction.MeasuredValueSequence = [measured]
    comment = Dataset()
    comment.RelationshipType, comment.ValueType = "CONTAINS", "TEXT"
    comment.ConceptNameCodeSequence = [code("121106", "DCM", "Comment")]
    comment.TextValue = "A phantom."
    ds.ContentSequence = [fraction, comment]
    return ds


# What to write: a function of the name, and how many levels pixels may be from the drawn picture (None: not compared).
FILES = {
    "rgb_explicit": (rgb(), 0),
    "rgb_planar": (rgb_planar, 0),
    "rgb_implicit": (rgb_implicit, 0),
    "rgb_big_endian": (rgb(uid.ExplicitVRBigEndian), 0),
    "rgb_deflated": (rgb(uid.DeflatedExplicitVRLittleEndian), 0),
    "mono2": (monochrome("MONOCHROME2", 8), 0),
    "mono1": (monochrome("MONOCHROME1", 8), 0),
    "mono2_12bit": (monochrome("MONOCHROME2", 12), 0),
    "mono2_16bit_window": (monochrome_windowed, None),
    "mono2_signed12": (monochrome_signed, 0),
    "palette": (palette_colour(16), 0),
    "palette_8bit_lut": (palette_colour(8), 0),
    "ybr_full": (ybr_full, 2),
    "ybr_full_422": (ybr_full_422, None),
    "rle_rgb": (rle(rgb()), 0),
    "rle_mono2": (rle(monochrome("MONOCHROME2", 8)), 0),
    "rle_palette": (rle(palette_colour(16)), 0),
    "rle_mono2_16bit": (rle(monochrome("MONOCHROME2", 16)), 0),
    "jpeg_baseline_422": (jpeg_422(), None),
    "jpeg_baseline_420": (jpeg_ybr("YBR_FULL_422", "420"), None),
    "jpeg_baseline_444": (jpeg_ybr("YBR_FULL", "444"), 60),
    "jpeg_baseline_rgb": (jpeg(uid.JPEGBaseline8Bit, "RGB"), 60),
    "jpeg_baseline_mono": (jpeg(uid.JPEGBaseline8Bit, "MONOCHROME2"), 30),
    "jpeg_extended_12bit": (jpeg(uid.JPEGExtended12Bit, "MONOCHROME2", 12), 30),
    "jpeg_lossless_mono": (jpeg(uid.JPEGLossless, "MONOCHROME2", lossless=True, predictor=4), 0),
    "jpeg_lossless_sv1_mono": (jpeg(uid.JPEGLosslessSV1, "MONOCHROME2", lossless=True, predictor=1), 0),
    "jpeg_lossless_sv1_rgb": (jpeg(uid.JPEGLosslessSV1, "RGB", lossless=True, predictor=1), 0),
    "jpeg_lossless_sv1_16bit": (jpeg(uid.JPEGLosslessSV1, "MONOCHROME2", 16, lossless=True, predictor=1), 0),
    "jpegls_mono": (jpegls("MONOCHROME2"), 0),
    "jpegls_rgb": (jpegls("RGB", interleave=2), 0),
    "jpegls_rgb_line": (jpegls("RGB", interleave=1), 0),
    "jpegls_near_mono": (jpegls("MONOCHROME2", near=2), 2),
    "jpegls_16bit": (jpegls("MONOCHROME2", 12), 0),
    "jpeg2000_rct": (jpeg2000("YBR_RCT"), 0),
    "jpeg2000_ict": (jpeg2000("YBR_ICT"), 30),
    "jpeg2000_mono": (jpeg2000("MONOCHROME2"), 0),
    "jpeg2000_16bit": (jpeg2000("MONOCHROME2", 16), 0),
    "htj2k_rct": (htj2k, 0),
    "fragments_with_table": (jpeg_422(fragments_per_frame=2), None),
    "fragments_extended_table": (fragments_extended_table, None),
    "fragments_no_table": (jpeg_422(has_bot=False), None),
    "frame_time_vector": (frame_time_vector, 0),
    "single_frame": (single_frame, 0),
    "doppler": (doppler, 0),
    "structured_report": (structured_report, None),
}


# Pixels


def eight_bits(ds, levels):
    """Grey levels for a screen: through the window where there is one, else their eight highest bits."""
    top = 2**ds.BitsStored - 1
    if "WindowCenter" in ds:
        return np.floor(apply_windowing(levels, ds) * 255 / top + 0.5).astype(np.uint8)
    levels = levels.astype(np.int64)
    if ds.PixelRepresentation:
        levels += 2 ** (ds.BitsStored - 1)
    if ds.PhotometricInterpretation == "MONOCHROME1":
        levels = top - levels
    return (levels >> (ds.BitsStored - 8)).astype(np.uint8)


def displayable(ds, plugin=PLUGIN):
    """RGB of all frames. pydicom makes RGB of YBR by itself; the rest is done here."""
    pixels = pixel_array(ds, decoding_plugin=plugin)
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, ds)
        if pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)
    elif ds.SamplesPerPixel == 1:
        pixels = np.repeat(eight_bits(ds, pixels)[..., np.newaxis], 3, axis=-1)
    return pixels.reshape(-1, ROWS, COLUMNS, 3)


def drawn(ds):
    """RGB of all frames without any file: what a file without loss must give."""
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        picture = np.stack([(entries >> 8).astype(np.uint8)[grey_levels(8)] for entries in palette()], axis=-1)
    elif ds.SamplesPerPixel == 1:
        levels = (grey_levels(ds.BitsStored) >> (ds.BitsStored - 8)).astype(np.uint8)
        picture = np.repeat(levels[..., np.newaxis], 3, axis=-1)
    else:
        picture = colours()
    return picture[: ds.get("NumberOfFrames", 1)]


def write(name, out):
    make, tolerance = FILES[name]
    path = out / f"{name}.dcm"
    dcmwrite(path, make(name), enforce_file_format=True)
    path.chmod(0o644)
    ds = dcmread(path)
    if "PixelData" not in ds:
        print(f"{name}: {path.stat().st_size} bytes, no pixels")
        return

    pixels = displayable(ds)
    difference = np.abs(pixels.astype(int) - drawn(ds))
    print(
        f"{name}: {path.stat().st_size} bytes, {list(pixels.shape)}, from the drawn picture {difference.mean():.3f} "
        f"levels in the mean, {difference.max()} at most"
    )
    if tolerance is not None and difference.max() > tolerance:
        raise SystemExit(f"{name}: more than {tolerance} levels from the drawn picture")
    pixels_path = path.with_suffix(".rgb")
    pixels_path.write_bytes(pixels.tobytes())
    pixels_path.chmod(0o644)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=GOLDEN)
    arguments = parser.parse_args()

    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        write(name, arguments.out)


if __name__ == "__main__":
    main()
