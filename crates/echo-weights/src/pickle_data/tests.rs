//! Pickles of plain data as Python and NumPy write them, and files that are cut, damaged or mean harm.

use serde_json::{Value, json};

use super::*;

/// Written by tests/plain_data.py.
const CASES: &str = include_str!("../../tests/fixtures/plain_data.json");

/// Name, pickle and value of each case.
fn cases() -> Vec<(String, Vec<u8>, Value)> {
    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        value: Value,
        pickles: Vec<String>,
    }

    let byte = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
    let bytes = |hex: &String| hex.as_bytes().chunks(2).map(byte).collect();
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    let of_case = |Case { name, value, pickles }: Case| {
        let pickled = pickles.iter().map(bytes).collect::<Vec<Vec<u8>>>();
        pickled.into_iter().map(move |pickle| (name.clone(), pickle, value.clone()))
    };
    cases.into_iter().flat_map(of_case).collect()
}

/// A value as plain_data.py describes it.
fn described(value: PickledValue<'_>) -> Value {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match value {
        PickledValue::None => Value::Null,
        PickledValue::Bool(value) => json!(value),
        PickledValue::Int(value) => json!(value),
        PickledValue::Float32(value) => json!({ "f32": hex(&value.to_be_bytes()) }),
        PickledValue::Float(value) => json!({ "f64": hex(&value.to_be_bytes()) }),
        PickledValue::Text(text) => json!(text),
        PickledValue::Bytes(bytes) => json!({ "bytes": hex(bytes) }),
        PickledValue::List(list) => list.iter().map(described).collect(),
        PickledValue::Dict(dict) => {
            let entries = dict.iter().map(|(key, value)| json!([described(key), described(value)]));
            json!({ "dict": entries.collect::<Vec<_>>() })
        }
    }
}

fn read(bytes: &[u8]) -> Result<Value, String> {
    PickledData::read(bytes, bytes.len() as u64).map(|data| described(data.root()))
}

fn refused(bytes: &[u8]) -> String {
    read(bytes).expect_err("it is refused")
}

#[test]
fn every_protocol_gives_the_values_that_python_wrote() {
    for (name, bytes, value) in cases() {
        assert_eq!(read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}")), value, "{name}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for (name, bytes, _) in cases().iter().filter(|(_, bytes, _)| bytes.len() < 1000) {
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "{name}, {end} bytes");
        }
    }
}

#[test]
fn a_changed_byte_gives_an_error_or_other_values_but_no_panic() {
    for (_, mut bytes, _) in cases().into_iter().filter(|(_, bytes, _)| bytes.len() < 300) {
        for place in 0..bytes.len() {
            let whole = bytes[place];
            for other in [whole ^ 1, whole ^ 0x80, b'h', b'0', b'(', b'R', b'.', 0xff] {
                bytes[place] = other;
                let _ = read(&bytes);
            }
            bytes[place] = whole;
        }
    }
}

#[test]
fn several_changed_bytes_give_an_error_or_other_values_but_no_panic() {
    let cases = cases();
    for seed in 0..20_000 {
        let mut random = echo_random::Stream::new(seed, "mutations", 0);
        let (_, mut bytes, _) = cases[random.below(cases.len())].clone();
        for _ in 0..=random.below(8) {
            let (place, from) = (random.below(bytes.len()), random.below(bytes.len()));
            bytes[place] = bytes[from];
        }
        let _ = read(&bytes);
    }
}

/// Protocol 2, `content`, and its end.
fn pickle(content: &[&[u8]]) -> Vec<u8> {
    [b"\x80\x02", content.concat().as_slice(), b"."].concat()
}

#[test]
fn what_would_run_something_is_refused_by_name() {
    for (module, name) in [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("subprocess", "Popen")] {
        let global = format!("c{module}\n{name}\n");
        for use_of_it in [&b"X\x04\0\0\0true\x85R"[..], b"", b"0N"] {
            let message = refused(&pickle(&[global.as_bytes(), use_of_it]));
            assert!(message.contains(&format!("{module}.{name}, which is no data")), "{message}");
        }
    }
    let message = refused(&pickle(&[b"cmine.tools\nrun\n)R"]));
    assert!(message.contains("calls mine.tools.run") && message.contains("dicts alone"), "{message}");
}

#[test]
fn other_objects_are_refused_by_their_class_with_what_to_do() {
    let series = refused(&pickle(&[b"cpandas.core.series\nSeries\n)\x81}b"]));
    assert!(series.contains("holds pandas.core.series.Series") && series.contains("list(p.read_pickle("), "{series}");
    let frame = refused(&pickle(&[b"(cpandas.core.frame\nDataFrame\n)\x81}bl"]));
    assert!(frame.contains("holds pandas.core.frame.DataFrame") && frame.contains("v.items()"), "{frame}");
    let date = refused(&pickle(&[b"(cdatetime\ndate\nU\x04\x07\xe8\x01\x01\x85Rl"]));
    assert!(date.contains("holds datetime.date, which is no plain data"), "{date}");
    for (content, why) in [
        (&b"cmine\nThing\n"[..], "the name mine.Thing"),
        (b"X\x01\0\0\0aQ", "outside of it"),
        (b"X\x01\0\0\0\xff", "not UTF-8"),
        (b"\x8a\x09\0\0\0\0\0\0\0\0\x01", "more than 64 bits"),
    ] {
        assert!(refused(&pickle(&[content])).contains(why), "{why}");
    }
}

#[test]
fn what_contains_itself_is_refused_and_so_is_what_repeats_itself_too_often() {
    for itself in [&b"]q\0h\0a"[..], b"]q\0(h\0ta", b"}q\0K\x01h\0s", b"]q\0}K\0h\0sa"] {
        assert!(refused(&pickle(&[itself])).contains("contains itself"), "{itself:?}");
    }
    // Sixty lists, each of the one before it, twice.
    let doubled: Vec<u8> =
        (0..60).flat_map(|level| [b']', b'(', b'h', level, b'h', level, b'e', b'q', level + 1]).collect();
    assert!(refused(&pickle(&[b"]q\0", &doubled])).contains("repeat each other"));
    assert!(refused(&pickle(&[&[b']'; 101], &[b'a'; 100]])).contains("deep"));
}

/// `numpy.ndarray` of one axis, of `count` bools that `bytes` holds.
fn bools(count: &[u8], bytes: &[u8]) -> Vec<u8> {
    let dtype = b"cnumpy\ndtype\nX\x02\0\0\0b1\x89\x88\x87R(K\x03X\x01\0\0\0|tbq\x01";
    let parts = [&b"cnumpy.core.numeric\n_frombuffer\n("[..], bytes, dtype, count, b"\x85X\x01\0\0\0CtR"];
    parts.concat()
}

#[test]
fn arrays_have_the_values_that_the_file_holds() {
    assert_eq!(read(&pickle(&[&bools(b"K\x02", b"C\x02\x00\x01")])).unwrap(), json!([false, true]));
    for (count, bytes) in [
        (&b"K\x03"[..], &b"C\x02\0\x01"[..]),
        (b"K\x01", b"C\x02\0\x01"),
        (b"J\xff\xff\xff\x7f", b"C\x02\0\x01"),
        (b"J\xff\xff\xff\xff", b"C\x02\0\x01"),
        (b"K\x02", b"K\x02"),
    ] {
        assert!(refused(&pickle(&[&bools(count, bytes)])).contains("array"), "{count:?} {bytes:?}");
    }
    let big_endian: Vec<u8> =
        bools(b"K\x02", b"C\x02\0\x01").into_iter().map(|byte| if byte == b'|' { b'>' } else { byte }).collect();
    assert!(refused(&pickle(&[&big_endian])).contains("not little-endian"));
    // The same million bytes as any number of arrays.
    let million = [&b"B"[..], &1_000_000u32.to_le_bytes(), &[0; 1_000_000], b"q\0"].concat();
    let one = bools(b"J\x40\x42\x0f\0", b"h\0");
    let message = refused(&pickle(&[b"(", &million, &one.repeat(1000), b"l"]));
    assert!(message.contains("share their values"), "{message}");
}

#[test]
fn what_is_made_of_other_objects_is_made_of_what_the_file_holds() {
    // The same list of pairs, and the same text, as arguments of any number of calls.
    let calls = b"h\0h\x01R0".repeat(100_000);
    let pairs = [&b"ccollections\nOrderedDict\nq\0("[..], &b"(K\x01K\x01t".repeat(1000), b"l\x85q\x01"].concat();
    assert!(refused(&pickle(&[&pairs, &calls])).contains("again and again"));
    let text = [&b"c_codecs\nencode\nq\0(X\x88\x13\0\0"[..], &[b'a'; 5000], b"X\x06\0\0\0latin1tq\x01"].concat();
    assert!(refused(&pickle(&[&text, &calls])).contains("again and again"));
}

#[test]
fn a_message_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.pkl");
    let refused = || PickledData::open(&path).unwrap_err().to_string();
    assert!(refused().starts_with(&format!("cannot read {}", path.display())));
    std::fs::write(&path, b"\x80\x02]").unwrap();
    assert_eq!(refused(), format!("cannot use {}: its pickle ends in the middle: the file was cut", path.display()));
    std::fs::write(&path, b"\x80\x02].").unwrap();
    let data = PickledData::open(&path).unwrap();
    assert!(matches!(data.root(), PickledValue::List(list) if list.is_empty()));
}
