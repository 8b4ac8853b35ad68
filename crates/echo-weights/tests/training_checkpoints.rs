//! Checkpoints as training scripts save them: the model found whatever lies beside it, and named as in the file.

#![allow(missing_docs)]

use std::path::Path;

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::Device;
use echo_weights::{Checkpoint, KeyTable, Precision, Rename, WeightsError, load, save_loaded};

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
fn models_in_lists_are_chosen_by_their_place() {
    let one = |pickle: Pickle, storage| pickle.dict(|pickle| pickle.tensor("table", &view(storage, "FloatStorage", 6)));
    let list = |pickle: Pickle| one(one(pickle.raw(b"]("), "0"), "1").raw(b"e");
    let tuple = |pickle: Pickle| one(one(pickle.raw(b"("), "0"), "1").raw(b"t");
    let nested = |pickle: Pickle| pickle.dict(|pickle| list(pickle.text("models")));
    let cases: [(&dyn Fn(Pickle) -> Pickle, &str); 3] = [(&list, ""), (&tuple, ""), (&nested, "models.")];
    for (models, before) in cases {
        let bytes = torch_zip(&models(Pickle::new(2)).end(), &[("0", &floats(&SIX)), ("1", &floats(&OTHERS))]);
        let (_folder, path) = file(&bytes);
        let message = loaded(&path, None).unwrap_err().to_string();
        assert!(message.contains(&format!("--weights-key {before}0")), "{message}");
        assert_eq!(loaded(&path, Some(&format!("{before}0"))).unwrap().0, SIX);
        assert_eq!(loaded(&path, Some(&format!("{before}1"))).unwrap().0, OTHERS);
    }
    let single = one(Pickle::new(2).raw(b"]("), "0").raw(b"e").end();
    assert_eq!(table(&torch_zip(&single, &[("0", &floats(&SIX))])), SIX);
    assert!(refused(&torch_zip(&Pickle::new(2).raw(b"](K\x01K\x02e").end(), &[])).contains("a list of 2 things"));
}

#[test]
fn plain_weights_are_suggested_before_averaged_ones() {
    for (averaged, plain) in [("ema", "model"), ("averaged_model", "network"), ("model_ema", "model")] {
        let bytes = archive(|pickle| nested(nested(pickle, averaged, "table", "1"), plain, "table", "0"));
        let (_folder, path) = file(&bytes);
        let message = loaded(&path, None).unwrap_err().to_string();
        assert!(message.contains(&format!("as {plain}, {averaged}; choose with --weights-key {plain}")), "{message}");
    }
}

#[test]
fn of_two_models_with_the_same_values_one_is_taken_and_it_is_said() {
    // The same storage, and another with equal values.
    for storage in ["0", "1"] {
        let pickle =
            Pickle::new(2).dict(|pickle| nested(nested(pickle, "best_model", "table", storage), "model", "table", "0"));
        let (_folder, path) = file(&torch_zip(&pickle.end(), &[("0", &floats(&SIX)), ("1", &floats(&SIX))]));
        let (values, report) = loaded(&path, None).unwrap();
        assert_eq!(values, SIX);
        assert_eq!(report.others().unwrap(), "best_model (the same values as model)");
    }
}

/// A module whose names are not those of its checkpoint, nor all of its shapes.
#[derive(Module, Debug)]
struct Head {
    norms: Vec<LayerNorm>,
    out: Linear,
}

const HEAD_KEYS: KeyTable = KeyTable {
    renames: &[
        Rename { pattern: r"^ln_(\d)\.", replacement: "norms.$1.", reason: "ours is a list" },
        Rename { pattern: r"^head\.", replacement: "out.", reason: "ours is called out" },
    ],
    ignored: &[],
    recognised_by: &[],
    ..KeyTable::IDENTITY
};

fn head_from(tensors: &[(&str, &[i64])]) -> Result<(Head, echo_weights::LoadReport, tempfile::TempDir), WeightsError> {
    let device = Device::flex();
    let head = Head {
        norms: (0..2).map(|_| LayerNormConfig::new(2).init(&device)).collect(),
        out: LinearConfig::new(2, 3).init(&device),
    };
    let pickle = Pickle::new(2).dict(|pickle| {
        pickle.text("state_dict").dict(|pickle| {
            tensors.iter().fold(pickle, |pickle, (name, shape)| {
                let stride = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
                pickle.tensor(name, &torch::View { shape: shape.to_vec(), stride, ..view("0", "FloatStorage", 12) })
            })
        })
    });
    let values: Vec<f32> = (0..12).map(|value| 1e5 * (value % 2) as f32 + 1.0).collect();
    let (folder, path) = file(&torch_zip(&pickle.end(), &[("0", &floats(&values))]));
    let checkpoint = Checkpoint::open(&path)?.fit(&head, &HEAD_KEYS, None)?;
    let (head, report) = load(head, "head", &checkpoint, &HEAD_KEYS)?;
    Ok((head, report, folder))
}

const HEAD: [(&str, &[i64]); 6] = [
    ("net.ln_0.weight", &[2]),
    ("net.ln_0.bias", &[2]),
    ("net.ln_1.weight", &[2]),
    ("net.ln_1.bias", &[2]),
    ("net.head.weight", &[3, 2]),
    ("net.head.bias", &[3]),
];

#[test]
fn errors_name_what_is_missing_misshapen_or_too_large_as_the_file_does() {
    let message = |tensors: &[(&str, &[i64])]| head_from(tensors).unwrap_err().to_string();
    for missing in [1, 2, 5] {
        let rest: Vec<_> =
            HEAD.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, tensor)| *tensor).collect();
        let expected = format!("1 missing: state_dict.{}", HEAD[missing].0);
        assert!(message(&rest).ends_with(&expected), "{}", message(&rest));
    }
    // Nothing in the file tells what a linear layer would be called there.
    let missing = message(&HEAD[..4]);
    assert!(missing.contains("out.weight (the module's name)"), "{missing}");
    let mut wide = HEAD;
    wide[4].1 = &[3, 4];
    wide[2].1 = &[4];
    let wide = message(&wide);
    assert!(wide.contains("state_dict.net.head.weight (shape [3, 4], expected [3, 2])"), "{wide}");
    assert!(wide.contains("state_dict.net.ln_1.weight (shape [4], expected [2])"), "{wide}");

    let (head, report, folder) = head_from(&HEAD).unwrap();
    let error = save_loaded(&head, &report, &folder.path().join("copy.safetensors"), Precision::Half).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("6 tensors: ") && error.contains("state_dict.net.ln_0.weight"), "{error}");
    assert!(!error.contains("gamma") && !error.contains("norms"), "{error}");
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
    let any = |pickle: Pickle| pickle.global("typing", "Any");
    // As Python writes `List[int]`, `int | None`, a member of an enumeration, and a function with an argument.
    let generic = |pickle: Pickle| {
        pickle.global("_operator", "getitem").global("typing", "List").global("builtins", "int").raw(b"\x86R")
    };
    let union = |pickle: Pickle| {
        let (module, name) = if pickle.is_old() { ("__builtin__", "reduce") } else { ("functools", "reduce") };
        let pickle = pickle.global(module, name).global("_operator", "or_").raw(b"(");
        pickle.global("builtins", "int").global("types", "NoneType").raw(b"t\x86R")
    };
    let member =
        |pickle: Pickle| pickle.global("builtins", "getattr").global("__main__", "Phase").text("TRAIN").raw(b"\x86R");
    let partial = |pickle: Pickle| {
        let pickle = pickle.global("functools", "partial").global("torch.nn.functional", "gelu").raw(b"\x85R(");
        pickle.global("torch.nn.functional", "gelu").raw(b")}Ntb")
    };
    let others: [(&str, &dyn Fn(Pickle) -> Pickle); 10] = [
        ("default", &default),
        ("attributes", &attributes),
        ("node", &node),
        ("named", &named),
        ("list", &list),
        ("any", &any),
        ("generic", &generic),
        ("union", &union),
        ("member", &member),
        ("partial", &partial),
    ];
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
