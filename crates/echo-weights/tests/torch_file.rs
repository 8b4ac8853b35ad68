//! PyTorch checkpoints byte by byte: containers, pickle protocols, element types, strides, and files that mean harm.

#![allow(missing_docs)]

use std::time::{Duration, Instant};

use echo_weights::Checkpoint;

#[path = "support/torch.rs"]
mod torch;

use torch::{Pickle, SIX, View, file, floats, loaded, table, torch_zip, view, zip_deflated};

/// A refusal must not take longer, whatever the file declares; generous, for machines that are busy.
const REFUSAL: Duration = Duration::from_secs(30);

/// The stream of pickles and storages from before PyTorch 1.6.
fn torch_stream(pickle: &[u8], storages: &[(&str, i64, &[u8])]) -> Vec<u8> {
    let mut file = vec![0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
    file.extend(Pickle::new(2).raw(b"M\xe9\x03").end());
    let sizes = |pickle: Pickle| {
        let pickle = pickle.text("protocol_version").raw(b"M\xe9\x03").text("little_endian").raw(&[0x88]);
        pickle.text("type_sizes").raw(b"}")
    };
    file.extend(Pickle::new(2).dict(sizes).end());
    file.extend(pickle);
    let keys = storages.iter().fold(Pickle::new(2).raw(b"]("), |pickle, (key, ..)| pickle.text(key));
    file.extend(keys.raw(b"e").end());
    for (_, length, bytes) in storages {
        file.extend(length.to_le_bytes());
        file.extend(*bytes);
    }
    file
}

fn simple(protocol: u8, key: &str) -> Vec<u8> {
    Pickle::new(protocol).dict(|pickle| pickle.tensor(key, &view("0", "FloatStorage", 6))).end()
}

#[test]
fn every_container_and_protocol_gives_the_same_values() {
    for protocol in 2..=5 {
        assert_eq!(table(&torch_zip(&simple(protocol, "table"), &[("0", &floats(&SIX))])), SIX, "protocol {protocol}");
    }
    assert_eq!(table(&torch_stream(&simple(2, "table"), &[("0", 6, &floats(&SIX))])), SIX);
}

#[test]
fn element_types_become_32_bit_floats() {
    let half: Vec<u8> = SIX.iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes()).collect();
    let brain: Vec<u8> = SIX.iter().flat_map(|&value| half::bf16::from_f32(value).to_le_bytes()).collect();
    let double: Vec<u8> = SIX.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect();
    for (kind, bytes) in [("HalfStorage", half), ("BFloat16Storage", brain), ("DoubleStorage", double)] {
        let pickle = Pickle::new(2).dict(|pickle| pickle.tensor("table", &view("0", kind, 6))).end();
        assert_eq!(table(&torch_zip(&pickle, &[("0", &bytes)])), SIX, "{kind}");
    }
}

#[test]
fn strides_offsets_and_shared_storages_are_followed() {
    // The transpose of a [3, 2] tensor that starts at the second value of a storage which another tensor shares.
    let values: Vec<f32> = (0..8).map(|value| value as f32).collect();
    let transposed = View { offset: 1, stride: vec![1, 2], ..view("0", "FloatStorage", 8) };
    let pickle = Pickle::new(2).dict(|pickle| pickle.tensor("table", &transposed)).end();
    assert_eq!(table(&torch_zip(&pickle, &[("0", &floats(&values))])), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);

    let both = Pickle::new(2).dict(|pickle| {
        let pickle = pickle.tensor("table", &view("0", "FloatStorage", 8));
        pickle.tensor("other", &View { offset: 2, ..view("0", "FloatStorage", 8) })
    });
    let (_folder, path) = file(&torch_zip(&both.end(), &[("0", &floats(&values))]));
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["other", "table"]);
    assert_eq!(checkpoint.shape("other"), Some(vec![2, 3]));
}

/// Opens a file that must be refused, in time, with little memory, and with its name in the message.
fn refused(what: &str, bytes: &[u8]) -> String {
    let (_folder, path) = file(bytes);
    let (started, before) = (Instant::now(), peak_memory());
    let message = match loaded(&path, None) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{what} was loaded"),
    };
    assert!(started.elapsed() < REFUSAL, "{what}: {:?}", started.elapsed());
    // What parsing may take; the declared sizes below are gigabytes.
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < (256 << 20) + 4 * bytes.len(), "{what}: {grown} bytes");
    assert!(message.contains(path.to_str().unwrap()), "{what}: {message}");
    message
}

/// The most memory that this process has had, in bytes; 0 where the system does not say.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<usize>().ok()).unwrap_or(0) * 1024
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = torch_zip(&simple(2, "table"), &[("0", &floats(&SIX))]);
    for length in (0..whole.len()).step_by(7) {
        refused(&format!("a zip of {length} bytes"), &whole[..length]);
    }
    let whole = torch_stream(&simple(2, "table"), &[("0", 6, &floats(&SIX))]);
    for length in 0..whole.len() {
        refused(&format!("a stream of {length} bytes"), &whole[..length]);
    }
}

#[test]
fn a_flipped_byte_gives_an_error_or_other_values_but_no_panic() {
    let whole = torch_zip(&simple(2, "table"), &[("0", &floats(&SIX))]);
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 0xff;
        let (_folder, path) = file(&bytes);
        if let Ok((values, _)) = loaded(&path, None) {
            assert_eq!(values.len(), SIX.len());
        }
    }
}

#[test]
fn sizes_that_the_file_does_not_hold_are_refused() {
    let with = |view: View, storages: &[(&str, &[u8])]| {
        torch_zip(&Pickle::new(2).dict(|pickle| pickle.tensor("table", &view)).end(), storages)
    };
    let values = floats(&SIX);
    let storage: &[(&str, &[u8])] = &[("0", &values)];
    let huge = 1 << 40;
    let view_of = |shape: Vec<i64>, stride: Vec<i64>| View { shape, stride, ..view("0", "FloatStorage", 6) };
    refused("a huge shape", &with(view_of(vec![huge, 3], vec![3, 1]), storage));
    refused("a shape that overflows", &with(view_of(vec![i64::MAX, i64::MAX], vec![1, 1]), storage));
    // One value repeated to terabytes by a stride of zero.
    refused("a stride of zero", &with(view_of(vec![1 << 20, 1 << 20], vec![0, 0]), storage));
    refused("a negative size", &with(view_of(vec![-2, 3], vec![3, 1]), storage));
    refused("an offset past the end", &with(View { offset: 5, ..view("0", "FloatStorage", 6) }, storage));
    refused("a storage that is not there", &with(view("7", "FloatStorage", 6), storage));
    refused("a storage outside the archive", &with(view("../../etc/passwd", "FloatStorage", 6), storage));
    refused("a quantised tensor", &with(view("0", "QInt8Storage", 6), storage));
    let long = Pickle::new(4).raw(&[0x8d]).raw(&u64::MAX.to_le_bytes()).raw(b"abc").end();
    refused("a string of 2^64 bytes", &torch_zip(&long, storage));
    let long_stream = torch_stream(&simple(2, "table"), &[("0", huge, &values)]);
    refused("a stream's huge storage", &long_stream);
}

#[test]
fn deep_nesting_and_copies_of_copies_are_refused() {
    let nested = Pickle::new(2).raw(&b"]".repeat(200_000)).raw(&b"a".repeat(199_999)).end();
    refused("200,000 lists in each other", &torch_zip(&nested, &[]));
    // A list of two copies of a list of two copies, sixty times: 2^60 values if they were written out.
    let mut bomb = Pickle::new(2).raw(b"]q\x00");
    for level in 0..60u8 {
        bomb = bomb.raw(&[b']', b'(', b'h', level, b'h', level, b'e', b'q', level + 1]);
    }
    refused("a memo bomb", &torch_zip(&bomb.end(), &[]));
    let header = "{\"a\":".repeat(100_000);
    let mut nested = (header.len() as u64).to_le_bytes().to_vec();
    nested.extend(header.as_bytes());
    refused("safetensors with a nested header", &nested);
}

#[test]
fn a_small_file_does_not_grow_in_memory() {
    // 30 million empty lists in 30 kB.
    for instruction in [b']', b'N', b'('] {
        let pickle = Pickle::new(2).raw(&vec![instruction; 30_000_000]).end();
        let bytes = zip_deflated(&[("archive/data.pkl", &pickle)]);
        assert!(bytes.len() < 50_000, "{}", bytes.len());
        assert!(refused("a small file", &bytes).contains("instructions"));
    }
    let pickle = Pickle::new(2).raw(&vec![b'N'; 100_000_000]).end();
    assert!(refused("a long pickle", &zip_deflated(&[("archive/data.pkl", &pickle)])).contains("more than"));
}

#[test]
fn a_pickle_that_calls_anything_else_is_refused_by_name() {
    for (module, name) in [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("operator", "getitem"),
        ("functools", "reduce"),
        ("subprocess", "Popen"),
        ("torch.hub", "load"),
        ("torch.ops", "load_library"),
        ("somebody.tools", "run"),
    ] {
        for protocol in [2, 4] {
            let call = Pickle::new(protocol).dict(|pickle| {
                let pickle = pickle.tensor("table", &view("0", "FloatStorage", 6));
                pickle.text("extra").global(module, name).raw(b"(").text("echo gone").raw(b"tR")
            });
            let message = refused(name, &torch_zip(&call.end(), &[("0", &floats(&SIX))]));
            assert!(message.contains(&format!("{module}.{name}")) && message.contains("state_dict"), "{message}");
        }
    }
    // Also where the result is dropped, and where nothing is called.
    for drop in [&b"(X\x01\x00\x00\x00atR0"[..], b"0"] {
        let dropped = Pickle::new(2).global("os", "system").raw(drop);
        let dropped = dropped.dict(|pickle| pickle.tensor("table", &view("0", "FloatStorage", 6)));
        assert!(refused("dropped", &torch_zip(&dropped.end(), &[("0", &floats(&SIX))])).contains("os.system"));
    }
    // What is data in one form of call is refused in every other.
    let getattr = |form: &dyn Fn(Pickle) -> Pickle| {
        let pickle = form(Pickle::new(2).global("builtins", "getattr"));
        let pickle = pickle.raw(b"0").dict(|pickle| pickle.tensor("table", &view("0", "FloatStorage", 6)));
        assert!(refused("getattr", &torch_zip(&pickle.end(), &[("0", &floats(&SIX))])).contains("builtins.getattr"));
    };
    getattr(&|pickle| pickle);
    getattr(&|pickle| pickle.global("torch", "utils").text("f").raw(b"\x86R"));
    getattr(&|pickle| pickle.global("a", "Phase").text("__init__").raw(b"\x86R"));
    getattr(&|pickle| pickle.global("a", "Phase").raw(b"N\x86R"));
    // A training script's settings are data.
    let settings = Pickle::new(2).dict(|pickle| {
        let pickle = pickle.tensor("table", &view("0", "FloatStorage", 6)).text("args");
        pickle.global("argparse", "Namespace").raw(b")R}(").text("lr").int(3).raw(b"ub")
    });
    assert_eq!(table(&torch_zip(&settings.end(), &[("0", &floats(&SIX))])), SIX);
}

#[test]
fn a_tar_archive_is_refused_with_the_conversion() {
    let mut tar = vec![0u8; 1024];
    tar[..8].copy_from_slice(b"sys_info");
    tar[257..262].copy_from_slice(b"ustar");
    let message = refused("a tar archive", &tar);
    assert!(message.contains("torch.save(torch.load("), "{message}");
}

#[test]
fn safetensors_that_lie_are_refused() {
    let file = |header: &str, data: &[u8]| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    };
    let values = floats(&SIX);
    let tensor = |shape: &str, end: u64| {
        format!("{{\"table\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[0,{end}]}}}}")
    };
    assert_eq!(table(&file(&tensor("[2,3]", 24), &values)), SIX);
    refused("more than there is", &file(&tensor("[2,3000000000]", 24_000_000_000), &values));
    refused("a shape that is not its bytes", &file(&tensor("[2,4]", 24), &values));
    refused("a shape that overflows", &file(&tensor("[4294967296,4294967296]", 24), &values));
    let whole = file(&tensor("[2,3]", 24), &values);
    for length in 0..whole.len() {
        refused(&format!("the first {length} bytes"), &whole[..length]);
    }
}
