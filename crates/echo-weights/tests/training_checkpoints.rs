//! Checkpoints as training scripts save them: the model found whatever lies beside it, and named as in the file.

#![allow(missing_docs)]

use std::path::Path;

use echo_weights::{Checkpoint, WeightsError};

#[path = "support/torch.rs"]
mod torch;

use torch::{Pickle, SIX, file, floats, loaded, table, torch_like, torch_zip, view};

const OTHERS: [f32; 6] = [9.0; 6];

/// An archive of two storages: the model's, and another's.
fn archive(entries: impl FnOnce(Pickle) -> Pickle) -> Vec<u8> {
    torch_zip(&Pickle::new(2).dict(entries).end(), &[("0", &floats(&SIX)), ("1", &floats(&OTHERS))])
}

/// An entry `name` that is a dictionary of `parameter`, in storage `storage`.
fn nested(pickle: Pickle, name: &str, parameter: &str, storage: &'static str) -> Pickle {
    pickle.text(name).dict(|pickle| pickle.tensor(parameter, &view(storage, "FloatStorage", 6)))
}

#[test]
fn the_model_is_found_whatever_lies_beside_it_and_before_its_names() {
    for (name, parameter) in [
        ("state_dict", "module.table"),
        ("state_dict", "net.table"),
        ("model", "table"),
        ("module", "table"),
        ("weights", "_orig_mod.module.table"),
        ("anything", "at.all.table"),
    ] {
        let beside = |pickle: Pickle| {
            let pickle = nested(pickle.text("epoch").raw(b"K\x07"), name, parameter, "0");
            let pickle = pickle.text("optimizer").dict(|pickle| nested(pickle, "state", "exp_avg", "1"));
            nested(pickle, "criterion", "weight", "1")
        };
        let bytes = archive(beside);
        assert_eq!(table(&bytes), SIX, "{name}: {parameter}");
        let (_folder, path) = file(&bytes);
        let (_, report) = loaded(&path, None).unwrap();
        assert_eq!(report.others, ["criterion.weight", "optimizer.state.exp_avg"]);
        assert!(report.to_string().contains("2 beside the model: criterion.weight"), "{report}");
    }
}

#[test]
fn of_two_models_one_has_to_be_chosen() {
    for second in ["model_ema", "state_dict_ema"] {
        let bytes = archive(|pickle| nested(nested(pickle, "model", "table", "0"), second, "module.table", "1"));
        let (_folder, path) = file(&bytes);
        let message = loaded(&path, None).unwrap_err().to_string();
        for part in ["model, ", &format!("{second}.module"), "--weights-key model"] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(loaded(&path, Some("model")).unwrap().0, SIX);
        assert_eq!(loaded(&path, Some(second)).unwrap().0, OTHERS);
        assert_eq!(loaded(&path, Some(&format!("{second}.module"))).unwrap().0, OTHERS);
        let message = loaded(&path, Some("ema")).unwrap_err().to_string();
        assert!(message.contains(&format!("its entries are model, {second}")), "{message}");
    }
}

#[test]
fn errors_name_tensors_as_the_file_does() {
    let bytes = archive(|pickle| {
        pickle.text("state_dict").dict(|pickle| {
            let pickle = pickle.tensor("net.table", &view("0", "FloatStorage", 6));
            pickle.tensor("net.other", &view("1", "FloatStorage", 6))
        })
    });
    let (_folder, path) = file(&bytes);
    let message = loaded(&path, None).unwrap_err().to_string();
    assert!(message.contains("1 unexpected: state_dict.net.other"), "{message}");
    let wide = torch::View { shape: vec![3, 2], stride: vec![2, 1], ..view("0", "FloatStorage", 6) };
    let (_folder, path) = file(&archive(|pickle| pickle.text("model").dict(|pickle| pickle.tensor("table", &wide))));
    let message = loaded(&path, None).unwrap_err().to_string();
    assert!(message.contains("model.table (shape [3, 2], expected [2, 3])"), "{message}");
}

#[test]
fn values_that_are_not_finite_are_refused_by_name() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = SIX;
        values[4] = value;
        let pickle = Pickle::new(2).dict(|pickle| nested(pickle, "model", "table", "0")).end();
        let (_folder, path) = file(&torch_zip(&pickle, &[("0", &floats(&values))]));
        let error = loaded(&path, None).unwrap_err();
        assert!(error.to_string().contains("model.table hold values that are not finite"), "{error}");
        assert!(matches!(error, WeightsError::NotFinite { .. }));
    }
    // Beyond what 32 bits hold; not the model's.
    let double: Vec<u8> = [1.0, 2.0, 3.0, 4.0, 5.0, 1e300].iter().flat_map(|value: &f64| value.to_le_bytes()).collect();
    let pickle = Pickle::new(2).dict(|pickle| pickle.tensor("table", &view("0", "DoubleStorage", 6))).end();
    let (_folder, path) = file(&torch_zip(&pickle, &[("0", &double)]));
    assert!(matches!(loaded(&path, None), Err(WeightsError::NotFinite { .. })));
    let pickle = Pickle::new(2).dict(|pickle| nested(nested(pickle, "a", "table", "0"), "b", "other", "1")).end();
    assert_eq!(table(&torch_zip(&pickle, &[("0", &floats(&SIX)), ("1", &floats(&[f32::NAN; 6]))])), SIX);
}

#[test]
fn objects_of_other_classes_beside_the_weights_are_data() {
    let tensor = |pickle: Pickle| pickle.tensor("table", &view("0", "FloatStorage", 6));
    let default = |pickle: Pickle| {
        let pickle = pickle.global("collections", "defaultdict").global("builtins", "int").raw(b"\x85R");
        pickle.text("a").raw(b"K\x01s")
    };
    let attributes = |pickle: Pickle| {
        let pickle = pickle.global("pytorch_lightning.utilities.parsing", "AttributeDict").raw(b")\x81(");
        pickle.text("lr").raw(b"K\x01").text("name").text("resnet").raw(b"u}b")
    };
    let node = |pickle: Pickle| {
        let pickle = pickle.global("omegaconf.dictconfig", "DictConfig").raw(b")\x81}(");
        pickle.text("_content").raw(b"}").text("_flags").raw(b"Nub")
    };
    let named = |pickle: Pickle| pickle.global("__main__", "Phase").text("train").raw(b"\x85R");
    let list = |pickle: Pickle| pickle.global("collections", "deque").raw(b")R(K\x01K\x02e");
    let others: [(&str, &dyn Fn(Pickle) -> Pickle); 5] =
        [("default", &default), ("attributes", &attributes), ("node", &node), ("named", &named), ("list", &list)];
    for (what, other) in others {
        for protocol in [2, 4] {
            let pickle = Pickle::new(protocol).dict(|pickle| tensor(other(pickle.text("hyper_parameters")))).end();
            assert_eq!(table(&torch_zip(&pickle, &[("0", &floats(&SIX))])), SIX, "{what}, protocol {protocol}");
        }
    }
    // The weights themselves in such a dictionary.
    let own = Pickle::new(2).global("collections", "defaultdict").global("builtins", "int").raw(b"\x85R(");
    assert_eq!(table(&torch_zip(&tensor(own).raw(b"u").end(), &[("0", &floats(&SIX))])), SIX);
}

#[test]
fn a_whole_module_gives_its_parameters() {
    let pickle = Pickle::new(2).global("__main__", "Net").raw(b")\x81}(").text("_parameters");
    let pickle = pickle.dict(|pickle| pickle.tensor("table", &view("0", "FloatStorage", 6)));
    let pickle = pickle.text("_buffers").raw(b"}").text("_modules").raw(b"}").text("training").raw(b"\x88ub");
    assert_eq!(table(&torch_zip(&pickle.end(), &[("0", &floats(&SIX))])), SIX);
}

#[test]
fn archives_of_every_stem_are_read_as_pytorch_writes_them() {
    let pickle = Pickle::new(2).dict(|pickle| pickle.tensor("table", &view("0", "FloatStorage", 6))).end();
    for length in 1..=64 {
        let stem = "s".repeat(length);
        let entries = [
            (format!("{stem}/data.pkl"), pickle.clone()),
            (format!("{stem}/.format_version"), b"1".to_vec()),
            (format!("{stem}/.storage_alignment"), b"64".to_vec()),
            (format!("{stem}/byteorder"), b"little".to_vec()),
            (format!("{stem}/data/0"), floats(&SIX)),
            (format!("{stem}/version"), b"3\n".to_vec()),
            (format!("{stem}/.data/serialization_id"), vec![b'1'; 40]),
        ];
        assert_eq!(table(&torch_like(&entries)), SIX, "a stem of {length} characters");
    }
}

fn refused(bytes: &[u8]) -> String {
    let (_folder, path) = file(bytes);
    Checkpoint::open(&path).unwrap_err().to_string()
}

#[test]
fn other_kinds_of_files_are_named_with_the_way_out() {
    let pickle = Pickle::new(2).raw(b"}").end();
    let script = torch::zip_of(&[("net/data.pkl", &pickle), ("net/code/net.py", b""), ("net/constants.pkl", &pickle)]);
    assert!(refused(&script).contains("TorchScript") && refused(&script).contains("torch.jit.load"));
    assert!(refused(b"\x93NUMPY\x01\x00v\x00{'descr'").contains("NumPy array"));
    assert!(refused(&torch::zip_of(&[("a.npy", b"\x93NUMPY")])).contains("NumPy arrays"));
    assert!(refused(&torch::zip_of(&[("a.txt", b"a")])).contains("no data.pkl"));
    assert!(refused(&pickle).contains("torch.save did not write"));
    assert!(refused(b"{\"a\": 1}").contains("index"));
    // Of two members with one name, programs read either.
    let (one, other) = (Pickle::new(2).raw(b"}").end(), Pickle::new(2).raw(b"]").end());
    let mut twins = torch::zip_of(&[("x/data.pkl", &one), ("y/data.pkl", &other)]);
    for at in 0..twins.len() - 10 {
        if &twins[at..at + 10] == b"y/data.pkl" {
            twins[at] = b'x';
        }
    }
    assert!(refused(&twins).contains("more than one member of the same name"));
}

fn safetensors(path: &Path, name: &str, values: &[f32]) {
    let header = format!("{{\"{name}\":{{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}}}");
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &floats(values)].concat();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn weights_in_several_files_are_read_by_their_index_or_any_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    safetensors(&at("m-00001-of-00002.safetensors"), "optimizer.a", &OTHERS);
    let missing = loaded(&at("m-00001-of-00002.safetensors"), None).unwrap_err().to_string();
    assert!(missing.contains("m-00002-of-00002.safetensors is not beside it"), "{missing}");
    safetensors(&at("m-00002-of-00002.safetensors"), "model.table", &SIX);
    let map = r#"{"metadata": {}, "weight_map": {"optimizer.a": "m-00001-of-00002.safetensors", "model.table": "m-00002-of-00002.safetensors"}}"#;
    std::fs::write(at("m.safetensors.index.json"), map).unwrap();
    for name in ["m.safetensors.index.json", "m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"] {
        assert_eq!(loaded(&at(name), None).unwrap().0, SIX, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_named_pipe_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("weights.pt");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(Checkpoint::open(&pipe).unwrap_err().to_string().contains("a pipe"));
}
