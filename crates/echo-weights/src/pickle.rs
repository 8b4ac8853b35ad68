//! Pickles, read as data.
//!
//! A pickle is a program for a machine with a stack. It is followed here without calling anything: where Python would
//! call a function or make an object, its name and arguments are kept. Objects are kept once and referred to by
//! number, so that no repetition costs memory, and their number is bounded.
//!
//! What the objects come to is decided elsewhere: `state_dict.rs` looks for tensors, `pickle_data.rs` for plain data.
//!
//! Longer than most files: every instruction of the machine is one arm of one loop.

use std::collections::BTreeSet;
use std::io::{BufRead, Read};
use std::string::FromUtf8Error;

use crate::pickle_names::{Name, name_of};
use crate::{pickle_numpy, pickle_text};

/// What a pickle is read for.
#[derive(Debug)]
pub(crate) struct Purpose {
    /// Bytes of one pickle.
    max_bytes: u64,
    /// Instructions of one pickle. Each makes one object at most, so this bounds memory.
    max_instructions: usize,
    /// How to make a file that can be read.
    advice: &'static str,
}

/// Bytes of one pickle that describes tensors, whose values lie elsewhere.
pub(crate) const MAX_BYTES: u64 = 32 << 20;

/// Bytes that may be copied for each byte that is read. An entry of a dictionary has eight, and at least five in the
/// file.
const COPIED_PER_BYTE: u64 = 4;

/// A description of tensors. It needs about 200 MB at most.
const WEIGHTS: Purpose = Purpose {
    max_bytes: MAX_BYTES,
    max_instructions: 3_000_000,
    advice: "save its weights alone, with torch.save(model.state_dict(), \"weights.pt\")",
};

/// Values themselves: of a million studies and more. It needs about 50 times the bytes of the file at most.
pub(crate) const DATA: Purpose = Purpose {
    max_bytes: echo_files::MAX_BYTES,
    max_instructions: 300_000_000,
    advice: "pickle its numbers, texts, lists and dicts alone",
};

/// Number of an object.
pub(crate) type Id = u32;

/// Key and value of each entry.
pub(crate) type Entries = Vec<(Id, Id)>;

/// A Python object, as far as it is needed.
#[derive(Debug)]
pub(crate) enum Object {
    None,
    Bool(bool),
    /// An integer that fits.
    Int(i64),
    /// An integer that does not fit, or what is no number where one should be.
    OtherNumber,
    Float(f64),
    /// NumPy's.
    Float32(f32),
    /// A text.
    Text(String),
    /// A text that is not UTF-8, with U+FFFD in place of what is not.
    OtherText(String),
    Bytes(Vec<u8>),
    /// A tuple, list or set.
    Sequence(Vec<Id>),
    /// A plain or ordered dictionary.
    Dictionary(Entries),
    /// A class or function by its name.
    Global(Name),
    /// What a persistent id stands for: the fields of `("storage", type, key, device, length)`.
    Storage(Id),
    /// A call that gives a tensor, or an object of a class that is not known.
    Instance(Box<Instance>),
}

/// A call, with what was done to its result.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) class: Name,
    /// What it was called with.
    pub(crate) arguments: Id,
    /// Appended to it.
    pub(crate) parts: Vec<Id>,
    /// Set in it, for classes that are dictionaries.
    pub(crate) entries: Entries,
    /// Its attributes.
    pub(crate) state: Option<Id>,
}

/// A pickle's objects.
#[derive(Debug)]
pub(crate) struct Pickle {
    pub(crate) objects: Vec<Object>,
    /// What it is of.
    pub(crate) root: Id,
}

impl Pickle {
    /// Reads one pickle of weights, to its end and no further.
    ///
    /// # Errors
    /// It is cut, damaged or too long, or means harm.
    pub(crate) fn read(input: impl BufRead) -> Result<Self, String> {
        Self::read_for(&WEIGHTS, input)
    }

    /// The same for another purpose.
    pub(crate) fn read_for(purpose: &'static Purpose, input: impl BufRead) -> Result<Self, String> {
        let mut machine = Machine {
            purpose,
            input: input.take(purpose.max_bytes),
            copied: 0,
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            memoized: 0,
            small_integers: [None; 256],
            uncalled: BTreeSet::new(),
        };
        let root = machine.run()?;
        Ok(Self { objects: machine.objects, root })
    }

    pub(crate) fn get(&self, id: Id) -> &Object {
        &self.objects[id as usize]
    }

    /// The object of a number that may be none.
    pub(crate) fn find(&self, id: Id) -> Option<&Object> {
        self.objects.get(id as usize)
    }

    /// The members of a tuple, list or set.
    pub(crate) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::Sequence(members) => Some(members),
            _ => None,
        }
    }

    /// The entries of a dictionary, of whatever class.
    pub(crate) fn entries(&self, id: Id) -> Option<&Entries> {
        match self.get(id) {
            Object::Dictionary(entries) => Some(entries),
            Object::Instance(instance) if !instance.entries.is_empty() => Some(&instance.entries),
            _ => None,
        }
    }

    /// A text, or a number as one: both are keys.
    pub(crate) fn key(&self, id: Id) -> Option<String> {
        match self.get(id) {
            Object::Text(text) | Object::OtherText(text) => Some(text.clone()),
            Object::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A size or place.
    pub(crate) fn count(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Object::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Everything that an object refers to.
    pub(crate) fn children(&self, id: Id) -> Vec<Id> {
        let pairs = |entries: &Entries| entries.iter().flat_map(|&(key, value)| [key, value]).collect::<Vec<_>>();
        match self.get(id) {
            Object::Sequence(members) => members.clone(),
            Object::Dictionary(entries) => pairs(entries),
            Object::Storage(fields) => vec![*fields],
            Object::Instance(instance) => {
                let mut children = pairs(&instance.entries);
                children.push(instance.arguments);
                children.extend(instance.parts.iter().chain(&instance.state));
                children
            }
            _ => Vec::new(),
        }
    }
}

struct Machine<R> {
    purpose: &'static Purpose,
    input: std::io::Take<R>,
    /// Bytes of values that were copied of other objects.
    copied: u64,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Heights of the stack that later instructions go back to.
    marks: Vec<usize>,
    /// Objects by the numbers that the pickle gives them, in turn.
    memo: Vec<Option<Id>>,
    /// How many there are in it: an optimized pickle leaves numbers out.
    memoized: usize,
    /// Integers of one byte, which are kept once: most values of a large file are such.
    small_integers: [Option<Id>; 256],
    /// Names that are only allowed in one form of call and have not been met in it.
    uncalled: BTreeSet<Id>,
}

impl<R: BufRead> Machine<R> {
    fn run(&mut self) -> Result<Id, String> {
        for _ in 0..self.purpose.max_instructions {
            let instruction = self.byte()?;
            if instruction == b'.' {
                return match self.uncalled.first().map(|&id| self.get(id)) {
                    Some(Object::Global(name)) => Err(self.refused(name.refusal())),
                    _ => self.pop(),
                };
            }
            self.step(instruction)?;
        }
        let Purpose { max_instructions, advice, .. } = self.purpose;
        Err(format!("its pickle has more than {max_instructions} instructions; {advice}"))
    }

    /// A refusal, with what to do.
    fn refused(&self, reason: String) -> String {
        format!("{reason}, so it is not read at all; if you trust where it comes from, {}", self.purpose.advice)
    }

    fn step(&mut self, instruction: u8) -> Result<(), String> {
        match instruction {
            // Protocol and frame say nothing of the content.
            0x80 => match self.byte()? {
                0..=5 => {}
                version => return Err(format!("its pickle has protocol {version}; 0 to 5 are known")),
            },
            0x95 => drop(self.bytes(8)?),

            b'N' => self.push(Object::None),
            0x88 | 0x89 => self.push(Object::Bool(instruction == 0x88)),
            b'I' | b'L' => {
                let line = self.line()?;
                let number = match (instruction, line.as_str()) {
                    (b'I', "00" | "01") => Object::Bool(line == "01"),
                    _ => line.strip_suffix('L').unwrap_or(&line).parse().map_or(Object::OtherNumber, Object::Int),
                };
                self.push(number);
            }
            b'F' => {
                let number = self.line()?.parse().map_or(Object::OtherNumber, Object::Float);
                self.push(number);
            }
            b'J' => {
                let bytes = self.array::<4>()?;
                self.push(Object::Int(i32::from_le_bytes(bytes).into()));
            }
            b'K' => {
                let byte = self.byte()?;
                let id = match self.small_integers[usize::from(byte)] {
                    Some(id) => id,
                    None => self.add(Object::Int(byte.into())),
                };
                self.small_integers[usize::from(byte)] = Some(id);
                self.stack.push(id);
            }
            b'M' => {
                let bytes = self.array::<2>()?;
                self.push(Object::Int(u16::from_le_bytes(bytes).into()));
            }
            b'G' => {
                let bytes = self.array::<8>()?;
                self.push(Object::Float(f64::from_be_bytes(bytes)));
            }
            0x8a | 0x8b => {
                let length = self.length(if instruction == 0x8a { 1 } else { 4 })?;
                let bytes = self.bytes(length)?;
                self.push(integer(&bytes).map_or(Object::OtherNumber, Object::Int));
            }

            b'V' => {
                let text = pickle_text::from_raw_unicode(&self.line_bytes()?);
                self.push(Object::Text(text));
            }
            b'S' => {
                let bytes = pickle_text::from_quoted(&self.line_bytes()?);
                self.push(text_of(bytes));
            }
            b'U' | 0x8c => self.text(1)?,
            b'T' | b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'C' => self.binary(1)?,
            b'B' => self.binary(4)?,
            0x8e | 0x96 => self.binary(8)?,

            b'(' => self.marks.push(self.stack.len()),
            b')' | b']' | 0x8f => self.push(Object::Sequence(Vec::new())),
            b'}' => self.push(Object::Dictionary(Vec::new())),
            b't' | b'l' | 0x91 => {
                let members = self.pop_to_mark()?;
                self.push(Object::Sequence(members));
            }
            0x85..=0x87 => {
                let mut members: Vec<Id> = (0x85..=instruction).map(|_| self.pop()).collect::<Result<_, _>>()?;
                members.reverse();
                self.push(Object::Sequence(members));
            }
            b'd' => {
                let members = self.pop_to_mark()?;
                self.push(Object::Dictionary(pairs(&members)?));
            }
            b'a' => {
                let member = self.pop()?;
                self.extend(vec![member])?;
            }
            b'e' | 0x90 => {
                let members = self.pop_to_mark()?;
                self.extend(members)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(vec![(key, value)])?;
            }
            b'u' => {
                let members = self.pop_to_mark()?;
                self.insert(pairs(&members)?)?;
            }

            b'0' => match self.marks.last() == Some(&self.stack.len()) {
                true => drop(self.marks.pop()),
                false => drop(self.pop()?),
            },
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }

            b'p' | b'q' | b'r' | 0x94 => {
                let place = match instruction {
                    0x94 => self.memoized,
                    _ => self.place(instruction == b'p', instruction == b'q')?,
                };
                self.memoize(place)?;
            }
            b'g' | b'h' | b'j' => {
                let place = self.place(instruction == b'g', instruction == b'h')?;
                let id = self.memo.get(place).copied().flatten().ok_or("its pickle refers to what is not there")?;
                self.stack.push(id);
            }

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let name = self.name(&module, &name)?;
                self.push_name(name);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Object::Text(module), Object::Text(name)) = (self.get(module), self.get(name)) else {
                    return Err("its pickle names something by what is no text".to_owned());
                };
                let name = self.name(module, name)?;
                self.push_name(name);
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let class = self.name(&module, &name)?;
                let arguments = self.pop_to_mark()?;
                let arguments = self.add(Object::Sequence(arguments));
                self.call(class, arguments)?;
            }
            b'o' => {
                let mut members = self.pop_to_mark()?;
                if members.is_empty() {
                    return Err("its pickle makes an object of no class".to_owned());
                }
                let class = members.remove(0);
                let arguments = self.add(Object::Sequence(members));
                self.call_object(class, arguments)?;
            }
            b'R' | 0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.call_object(class, arguments)?;
            }
            0x92 => {
                let (named, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                let both = self.add(Object::Sequence(vec![arguments, named]));
                self.call_object(class, both)?;
            }
            b'b' => {
                let (state, id) = (self.pop()?, self.top()?);
                // Attributes of plain dictionaries (`_metadata` of a state_dict) are none of their entries.
                if let Object::Instance(instance) = &mut self.objects[id as usize] {
                    instance.state = Some(state);
                }
            }
            b'P' => {
                let text = self.line()?;
                let id = self.add(Object::Text(text));
                self.push(Object::Storage(id));
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Storage(id));
            }
            0x82..=0x84 | 0x97 | 0x98 => return Err("its pickle needs objects that are not in it".to_owned()),
            other => return Err(format!("its pickle is damaged: 0x{other:02x} is no instruction")),
        }
        Ok(())
    }

    fn get(&self, id: Id) -> &Object {
        &self.objects[id as usize]
    }

    fn add(&mut self, object: Object) -> Id {
        self.objects.push(object);
        (self.objects.len() - 1) as Id
    }

    fn push(&mut self, object: Object) {
        let id = self.add(object);
        self.stack.push(id);
    }

    /// Pushes what is made of other objects, which may be met any number of times.
    fn push_copied(&mut self, object: Object) -> Result<(), String> {
        self.copied += match &object {
            Object::Text(text) => text.len(),
            Object::Bytes(bytes) => bytes.len(),
            Object::Dictionary(entries) => size_of_val(entries.as_slice()),
            _ => 0,
        } as u64;
        if self.copied > COPIED_PER_BYTE * self.bytes_read() {
            return Err("its pickle is damaged: it makes the same values again and again".to_owned());
        }
        self.push(object);
        Ok(())
    }

    fn name(&self, module: &str, name: &str) -> Result<Name, String> {
        name_of(module, name).map_err(|reason| self.refused(reason))
    }

    fn push_name(&mut self, name: Name) {
        let waits = name.is_in_one_form();
        let id = self.add(Object::Global(name));
        self.stack.push(id);
        if waits {
            self.uncalled.insert(id);
        }
    }

    fn top(&self) -> Result<Id, String> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.marks.last().copied().unwrap_or(0) => Ok(id),
            _ => Err("its pickle is damaged: it takes a value where there is none".to_owned()),
        }
    }

    fn memoize(&mut self, place: usize) -> Result<(), String> {
        let top = self.top()?;
        if place >= self.memo.len() {
            // Each number has an object, which has a byte at least.
            if place as u64 > self.bytes_read() {
                return Err("its pickle is damaged: it numbers more objects than it has".to_owned());
            }
            self.memo.resize(place + 1, None);
        }
        self.memoized += usize::from(self.memo[place].is_none());
        self.memo[place] = Some(top);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("its pickle is damaged: it goes back to a mark that was not set")?;
        Ok(self.stack.split_off(mark))
    }

    fn extend(&mut self, members: Vec<Id>) -> Result<(), String> {
        let id = self.top()?;
        match &mut self.objects[id as usize] {
            Object::Sequence(list) => list.extend(members),
            Object::Instance(instance) => instance.parts.extend(members),
            _ => return Err("its pickle is damaged: it appends to what is no list".to_owned()),
        }
        Ok(())
    }

    fn insert(&mut self, entries: Entries) -> Result<(), String> {
        let id = self.top()?;
        match &mut self.objects[id as usize] {
            Object::Dictionary(dictionary) => dictionary.extend(entries),
            Object::Instance(instance) => instance.entries.extend(entries),
            _ => return Err("its pickle is damaged: it sets entries of what is no dictionary".to_owned()),
        }
        Ok(())
    }

    fn call_object(&mut self, class: Id, arguments: Id) -> Result<(), String> {
        let Object::Global(name) = self.get(class) else {
            return Err(self.refused("its pickle calls what another call gave, which no data needs".to_owned()));
        };
        let name = name.clone();
        if !name.is_in_one_form() {
            return self.call(name, arguments);
        }
        let second = self.in_one_form(&name, arguments).ok_or_else(|| self.refused(name.refusal()))?;
        self.uncalled.remove(&class);
        second.map(|second| self.uncalled.remove(&second));
        self.instance(name, arguments);
        Ok(())
    }

    /// Whether such a call gives plain data; with the other name that it has among its arguments.
    fn in_one_form(&self, name: &Name, arguments: Id) -> Option<Option<Id>> {
        let Object::Sequence(given) = self.get(arguments) else { return None };
        let &[first, second] = given.as_slice() else { return None };
        let Object::Global(of) = self.get(first) else { return None };
        let is_data = match (name.as_str().rsplit('.').next()?, self.get(second)) {
            ("getattr", Object::Text(member)) => of.is_class() && !member.starts_with('_') && !member.contains('.'),
            ("getitem", _) => of.is_generic(),
            ("reduce", Object::Sequence(_)) => {
                return matches!(of.as_str(), "_operator.or_" | "operator.or_").then_some(Some(first));
            }
            _ => false,
        };
        is_data.then_some(None)
    }

    /// What a call gives, as far as it is needed.
    fn call(&mut self, class: Name, arguments: Id) -> Result<(), String> {
        class.may_be_called().map_err(|reason| self.refused(reason))?;
        // The first few: the same long list may be the arguments of any number of calls.
        let given: Vec<Id> = match self.get(arguments) {
            Object::Sequence(given) => given.iter().take(3).copied().collect(),
            _ => return Err(format!("its pickle is damaged: {class} is called with no list of arguments")),
        };
        let first = given.first().map(|&first| self.get(first));
        let second = given.get(1).map(|&second| self.get(second));
        let is_latin_1 = matches!(second, Some(Object::Text(encoding)) if encoding == "latin1");
        match (class.as_str(), first) {
            ("collections.OrderedDict", first) => {
                let of_pair = |&pair: &Id| match self.get(pair) {
                    Object::Sequence(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
                    _ => Err("its pickle is damaged: an OrderedDict of what are no pairs".to_owned()),
                };
                let entries: Entries = match first {
                    Some(Object::Sequence(pairs)) => pairs.iter().map(of_pair).collect::<Result<_, _>>()?,
                    _ => Vec::new(),
                };
                self.push_copied(Object::Dictionary(entries))?;
            }
            ("builtins.set" | "builtins.frozenset" | "__builtin__.set" | "__builtin__.frozenset", first) => match first
            {
                Some(Object::Sequence(_)) => self.stack.push(given[0]),
                _ => self.push(Object::Sequence(Vec::new())),
            },
            // How protocols 0 to 2 write bytes.
            ("_codecs.encode", Some(Object::Text(text)))
                if is_latin_1 && let Some(bytes) = pickle_text::to_latin_1(text) =>
            {
                self.push_copied(Object::Bytes(bytes))?;
            }
            ("builtins.bytes" | "__builtin__.bytes", None) => self.push(Object::Bytes(Vec::new())),
            ("numpy.core.multiarray.scalar" | "numpy._core.multiarray.scalar", _)
                if let Some(value) = pickle_numpy::scalar(&self.objects, &given) =>
            {
                self.push_copied(value)?;
            }
            // A parameter is its tensor, and so is an object of a subclass of tensors.
            ("torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", Some(_)) => {
                self.stack.push(given[0]);
            }
            // Never of itself, which has no end where a list of arguments contains itself.
            ("torch._tensor._rebuild_from_type_v2", Some(Object::Global(of))) if given.len() >= 3 && *of != class => {
                self.call_object(given[0], given[2])?;
            }
            // An old-style object: its class stands first.
            ("copy_reg._reconstructor" | "copyreg._reconstructor", Some(Object::Global(name))) => {
                let class = name.clone();
                self.instance(class, arguments);
            }
            _ => self.instance(class, arguments),
        }
        Ok(())
    }

    fn instance(&mut self, class: Name, arguments: Id) {
        let instance = Instance { class, arguments, parts: Vec::new(), entries: Vec::new(), state: None };
        self.push(Object::Instance(Box::new(instance)));
    }

    fn bytes_read(&self) -> u64 {
        self.purpose.max_bytes - self.input.limit()
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(|_| self.end())?;
        Ok(bytes)
    }

    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        self.input.by_ref().take(length).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(self.end()) }
    }

    fn end(&self) -> String {
        match self.input.limit() {
            0 => format!("its pickle has more than {} MB; {}", self.purpose.max_bytes >> 20, self.purpose.advice),
            _ => "its pickle ends in the middle: the file was cut".to_owned(),
        }
    }

    fn line(&mut self) -> Result<String, String> {
        Ok(String::from_utf8_lossy(&self.line_bytes()?).into_owned())
    }

    fn line_bytes(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        self.input.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        match line.pop() {
            Some(b'\n') => Ok(line),
            _ => Err(self.end()),
        }
    }

    /// A length of so many bytes.
    fn length(&mut self, bytes: u64) -> Result<u64, String> {
        let bytes = self.bytes(bytes)?;
        Ok(bytes.iter().rev().fold(0, |length, &byte| length << 8 | u64::from(byte)))
    }

    fn text(&mut self, length: u64) -> Result<(), String> {
        let length = self.length(length)?;
        let bytes = self.bytes(length)?;
        self.push(text_of(bytes));
        Ok(())
    }

    fn binary(&mut self, length: u64) -> Result<(), String> {
        let length = self.length(length)?;
        let bytes = self.bytes(length)?;
        self.push(Object::Bytes(bytes));
        Ok(())
    }

    fn place(&mut self, is_line: bool, is_byte: bool) -> Result<usize, String> {
        match (is_line, is_byte) {
            (true, _) => {
                self.line()?.parse().map_err(|_| "its pickle is damaged: a place that is no number".to_owned())
            }
            (_, true) => Ok(self.byte()?.into()),
            _ => Ok(u32::from_le_bytes(self.array()?) as usize),
        }
    }
}

fn pairs(members: &[Id]) -> Result<Entries, String> {
    let (pairs, rest) = members.as_chunks::<2>();
    match rest {
        [] => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
        _ => Err("its pickle is damaged: a key without a value".to_owned()),
    }
}

fn text_of(bytes: Vec<u8>) -> Object {
    let lossy = |error: FromUtf8Error| Object::OtherText(String::from_utf8_lossy(error.as_bytes()).into_owned());
    String::from_utf8(bytes).map_or_else(lossy, Object::Text)
}

/// A little-endian number in two's complement, if it fits.
pub(crate) fn integer(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = [if negative { 0xff } else { 0 }; 8];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        Pickle::read(bytes).expect_err("it is refused")
    }

    #[test]
    fn numbers_are_read_in_twos_complement() {
        assert_eq!([integer(&[]), integer(&[0xff]), integer(&[0, 0x80])], [Some(0), Some(-1), Some(-32768)]);
        assert_eq!(integer(&[0; 9]), None);
    }

    #[test]
    fn an_object_that_is_repeated_is_kept_once() {
        let mut bytes = b"\x80\x02]q\x00".to_vec();
        for level in 0..60u8 {
            bytes.extend([b']', b'(', b'h', level, b'h', level, b'e', b'q', level + 1]);
        }
        bytes.push(b'.');
        assert_eq!(Pickle::read(&bytes[..]).unwrap().objects.len(), 61);
    }

    #[test]
    fn objects_are_found_by_their_numbers_also_where_some_are_left_out() {
        let found = |bytes: &[u8]| {
            let pickle = Pickle::read(bytes).unwrap();
            pickle.count(pickle.root)
        };
        assert_eq!(found(b"\x80\x02K\x01q\x01K\x02q\x03K\x03h\x01."), Some(1));
        // The next number is how many there are.
        assert_eq!(found(b"\x80\x04K\x01q\x00K\x02q\x03K\x05\x94K\x06\x94h\x02."), Some(5));
        for bytes in [&b"\x80\x02K\x01h\x00."[..], b"\x80\x02K\x01q\x02h\x01.", b"\x80\x02K\x01h\xff."] {
            assert!(refused(bytes).contains("not there"), "{bytes:?}");
        }
        assert!(refused(b"\x80\x02K\x01r\xff\xff\xff\xff.").contains("numbers more objects"));
    }

    #[test]
    fn a_call_within_itself_has_an_end() {
        // The arguments of a call are a list: what to call (the same), its type, and its arguments (the list).
        let bytes = b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\nq\x00]q\x01(h\x00Nh\x01eR.";
        let pickle = Pickle::read(&bytes[..]).unwrap();
        assert!(matches!(pickle.get(pickle.root), Object::Instance(_)));
    }

    #[test]
    fn values_below_a_mark_are_not_taken() {
        for bytes in
            [&b"\x80\x02K\x01(R."[..], b"\x80\x02K\x01(.", b"\x80\x02(\x85.", b"\x80\x02t.", b"\x80\x02(K\x01d."]
        {
            assert!(refused(bytes).contains("damaged"), "{bytes:?}");
        }
        assert!(Pickle::read(&b"\x80\x02K\x01(0."[..]).is_ok(), "a mark may be dropped");
    }

    #[test]
    fn more_instructions_than_any_checkpoint_needs_are_refused() {
        assert!(refused(&vec![b']'; WEIGHTS.max_instructions + 1]).contains("instructions"));
        // No instruction, but more bytes than are read.
        let mut long = b"X\xff\xff\xff\x7f".to_vec();
        long.resize(MAX_BYTES as usize + 9, b'a');
        assert!(refused(&long).contains("MB"));
    }
}
