//! What a pickle may name.
//!
//! Nothing that a file names is ever called: the reader keeps names and arguments as data. A file that names what
//! would run commands, load code or open files in Python is refused all the same, also where the result is dropped,
//! since whoever wrote it meant it to run.
//!
//! - Data: classes of any name (settings, loggers, a trainer's state, all of `typing`), and the lists of functions that
//!   rebuild data ([`DATA_FUNCTIONS`], [`DATA_FUNCTIONS_WHOLE`], [`BUILTIN_DATA`], `functools.partial`). Other functions
//!   may be named, as a setting may, but a call of one is refused.
//! - Data in one form of call alone ([`IN_ONE_FORM`]): members of enumerations, `list[int]`, `int | None`.
//! - Refused wherever they are named: [`REFUSED_MODULES`] but for [`DATA_OF_REFUSED`], every other name of `builtins`
//!   (`eval`, `exec`, `open`, `__import__`), and [`REFUSED_PARTS`] of `torch` and `numpy`.

use std::fmt;
use std::sync::Arc;

/// The full name of a class or function, none that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(Arc<str>);

/// Modules of Python that reach outside a file, with all that is in them.
const REFUSED_MODULES: &str = "
    _ctypes _io _operator _osx_support _pickle _posixsubprocess _pyrepl _socket _thread _winapi
    _winreg aiohttp antigravity ast asyncio bdb builtins cPickle cProfile cffi cloudpickle code codeop commands
    concurrent ctypes dill dis distutils doctest ensurepip fileinput ftplib gc glob http httplib idlelib imaplib imp
    importlib inspect io joblib lib2to3 linecache marshal msvcrt multiprocessing nntplib nt ntpath operator os
    pdb pickle pickletools pip pkg_resources pkgutil platform popen2 poplib posix posixpath profile pty ptrace pydoc
    readline requests rlcompleter runpy setuptools shelve shutil signal site smtplib socket sqlite3 ssl subprocess sys
    sysconfig tempfile telnetlib test threading timeit trace turtle types unittest urllib urllib2 venv webbrowser winreg
    xmlrpc zipimport";

/// Of those modules, what is plain data.
const DATA_OF_REFUSED: [&str; 5] =
    ["types.SimpleNamespace", "types.NoneType", "types.GenericAlias", "types.UnionType", "signal.Signals"];

/// Names of `builtins` that are plain data or compute some from their arguments alone, also as protocol 2, PyTorch's,
/// writes them for Python 2; exceptions are data too.
const BUILTIN_DATA: &str = "
    Ellipsis NotImplemented abs all any bool bytearray bytes complex dict float frozenset int len list long max min object
    range round set slice sorted str sum tuple type unicode xrange";

/// What Python writes calls of for plain data: `getattr` of a class for a member of an enumeration (3.11), `getitem` of
/// one for `List[int]`, `reduce` by `or_` for `int | None`. Named in any other way, they are refused.
const IN_ONE_FORM: [&str; 8] = [
    "builtins.getattr",
    "__builtin__.getattr",
    "__builtin__.reduce",
    "_operator.getitem",
    "operator.getitem",
    "_operator.or_",
    "operator.or_",
    "functools.reduce",
];

/// Parts of names in `torch` and `numpy` that run or load something.
const REFUSED_PARTS: &str = "
    eval exec open compile getattr __import__ load loads load_library load_inline load_state_dict_from_url hub ops
    classes system package cpp_extension jit _inductor _dynamo _export rpc runstring fromfile memmap save savez savetxt
    loadtxt genfromtxt distutils f2py testing _load_from_bytes multiprocessing run_path";

/// Functions, not classes, that rebuild plain data, by the beginning of their names.
const DATA_FUNCTIONS: [&str; 24] = [
    "torch._utils._rebuild",
    "torch._tensor._rebuild",
    "torch.nn.parameter.",
    "torch.device",
    "torch.dtype",
    "torch.serialization._get_layout",
    "numpy.core.multiarray.",
    "numpy._core.multiarray.",
    "numpy.core.numeric._frombuffer",
    "numpy._core.numeric._frombuffer",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.bool",
    "numpy.float",
    "numpy.int",
    "numpy.uint",
    "numpy.str_",
    "numpy.random.",
    "collections.",
    "copyreg._",
    "copy_reg._",
    "_codecs.encode",
    "datetime.",
    "functools.partial",
];

/// The same for names that are whole.
const DATA_FUNCTIONS_WHOLE: [&str; 7] = [
    "re._compile",
    "logging.getLogger",
    "uuid.UUID",
    "decimal.Decimal",
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked",
    "pandas._libs.internals._unpickle_block",
    "pandas.core.indexes.base._new_Index",
];

/// # Errors
/// The name is that of something that reaches outside the file.
pub(crate) fn name_of(module: &str, name: &str) -> Result<Name, String> {
    let full = format!("{module}.{name}");
    if is_refused(&full) {
        return Err(refusal("names", &full));
    }
    Ok(Name(full.into()))
}

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is only allowed in one form of call.
    pub(crate) fn is_in_one_form(&self) -> bool {
        IN_ONE_FORM.contains(&self.as_str())
    }

    /// By its name: classes begin with a capital letter.
    pub(crate) fn is_class(&self) -> bool {
        let last = self.0.rsplit('.').next().unwrap_or(&self.0).trim_start_matches('_');
        last.starts_with(char::is_uppercase)
    }

    /// Whether `list[int]` may be made of it: a class, or one of `builtins`.
    pub(crate) fn is_generic(&self) -> bool {
        let is_builtin = ["builtins.", "__builtin__."].iter().any(|module| self.0.starts_with(module));
        self.is_class() || (is_builtin && !self.is_in_one_form())
    }

    /// What is said where it stands in another form, or nobody calls it.
    pub(crate) fn refusal(&self) -> String {
        refusal("names", &self.0)
    }

    /// # Errors
    /// It is a function that is not known to rebuild data.
    pub(crate) fn may_be_called(&self) -> Result<(), String> {
        let name = &self.0;
        let module = name.split('.').next().unwrap_or(name);
        let is_data = self.is_class()
            || (matches!(module, "builtins" | "__builtin__") && !self.is_in_one_form())
            || DATA_FUNCTIONS.iter().any(|known| name.starts_with(known))
            || DATA_FUNCTIONS_WHOLE.contains(&&**name);
        if is_data { Ok(()) } else { Err(refusal("calls", name)) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_refused(name: &str) -> bool {
    let (module, rest) = name.split_once('.').unwrap_or((name, ""));
    let is_among = |names: &str, name: &str| names.split_whitespace().any(|listed| listed == name);
    if IN_ONE_FORM.contains(&name) {
        return false;
    }
    match module {
        "builtins" | "__builtin__" => {
            let is_exception = rest.ends_with("Error") || rest.ends_with("Exception") || rest.ends_with("Warning");
            !is_exception && !is_among(BUILTIN_DATA, rest)
        }
        "torch" | "numpy" => name.split('.').skip(1).any(|part| is_among(REFUSED_PARTS, part)),
        _ => is_among(REFUSED_MODULES, module) && !DATA_OF_REFUSED.contains(&name),
    }
}

fn refusal(does: &str, name: &str) -> String {
    format!("its pickle {does} {}, which is no data", echo_files::printable(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tensors_settings_and_unknown_classes_are_data() {
        for (module, name) in [
            ("torch", "Tensor"),
            ("torch", "float32"),
            ("torch", "device"),
            ("torch._utils", "_rebuild_tensor_v2"),
            ("numpy.core.multiarray", "scalar"),
            ("argparse", "Namespace"),
            ("pathlib", "PosixPath"),
            ("collections", "defaultdict"),
            ("builtins", "set"),
            ("omegaconf.dictconfig", "DictConfig"),
            ("__main__", "TrainConfig"),
            ("types", "SimpleNamespace"),
            ("types", "GenericAlias"),
            ("__builtin__", "long"),
            ("__builtin__", "unicode"),
            ("__builtin__", "xrange"),
            ("builtins", "Ellipsis"),
            ("builtins", "max"),
            ("typing", "Any"),
            ("typing", "T"),
            ("functools", "partial"),
        ] {
            assert!(name_of(module, name).is_ok(), "{module}.{name}");
        }
        for (module, name) in [("torch._utils", "_rebuild_tensor_v2"), ("a.b", "Config"), ("collections", "deque")] {
            assert_eq!(name_of(module, name).unwrap().may_be_called(), Ok(()), "{module}.{name}");
        }
    }

    #[test]
    fn what_reaches_outside_the_file_is_refused_whatever_is_done_with_it() {
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("builtins", "exec"),
            ("__builtin__", "__import__"),
            ("builtins", "setattr"),
            ("operator", "attrgetter"),
            ("torch.hub", "load"),
            ("torch.ops", "load_library"),
            ("torch", "ops.load_library"),
            ("torch._ops.ops", "load_library"),
            ("torch.classes", "load_library"),
            ("runpy", "run_path"),
            ("importlib", "import_module"),
            ("numpy", "load"),
            ("subprocess", "Popen"),
            ("os.path", "join"),
        ] {
            assert!(name_of(module, name).is_err(), "{module}.{name}");
        }
        let function = name_of("somebody.tools", "run").unwrap();
        assert!(function.may_be_called().unwrap_err().contains("somebody.tools.run"));
    }
}
