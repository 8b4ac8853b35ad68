//! Pickles, read as data.
//!
//! A pickle is a program for a machine with a stack. It is followed here without calling anything: where Python would
//! call a function or make an object, its name and arguments are kept. Objects are kept once and referred to by
//! number, so that no repetition costs memory, and their number is bounded.
//!
//! Longer than most files: every instruction of the machine is one arm of one loop.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, Read};

use crate::pickle_names::{Name, name_of};

/// Bytes of one pickle: a description of tensors, whose values lie elsewhere.
pub(crate) const MAX_BYTES: u64 = 32 << 20;

/// Instructions of one pickle. Each makes one object at most, so this bounds memory, to about 200 MB.
const MAX_INSTRUCTIONS: usize = 3_000_000;

/// Number of an object.
pub(crate) type Id = u32;

/// Key and value of each entry.
pub(crate) type Entries = Vec<(Id, Id)>;

/// A Python object, as far as checkpoints need it.
#[derive(Debug)]
pub(crate) enum Object {
    /// An integer that fits.
    Int(i64),
    /// A text.
    Text(String),
    /// A number, bytes, or nothing.
    Other,
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
    objects: Vec<Object>,
    /// What it is of.
    pub(crate) root: Id,
}

impl Pickle {
    /// Reads one pickle, to its end and no further.
    ///
    /// # Errors
    /// It is cut, damaged or too long, or means harm.
    pub(crate) fn read(input: impl BufRead) -> Result<Self, String> {
        let mut machine = Machine {
            input: input.take(MAX_BYTES),
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
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
            Object::Text(text) => Some(text.clone()),
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
    input: std::io::Take<R>,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Heights of the stack that later instructions go back to.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Names that are only allowed in one form of call and have not been met in it.
    uncalled: BTreeSet<Id>,
}

impl<R: BufRead> Machine<R> {
    fn run(&mut self) -> Result<Id, String> {
        for _ in 0..MAX_INSTRUCTIONS {
            let instruction = self.byte()?;
            if instruction == b'.' {
                return match self.uncalled.first().map(|&id| self.get(id)) {
                    Some(Object::Global(name)) => Err(name.refusal()),
                    _ => self.pop(),
                };
            }
            self.step(instruction)?;
        }
        Err(format!(
            "its pickle has more than {MAX_INSTRUCTIONS} instructions; save the weights alone, with \
             torch.save(model.state_dict(), \"weights.pt\")"
        ))
    }

    fn step(&mut self, instruction: u8) -> Result<(), String> {
        match instruction {
            // Protocol and frame say nothing of the content.
            0x80 => match self.byte()? {
                0..=5 => {}
                version => return Err(format!("its pickle has protocol {version}; 0 to 5 are known")),
            },
            0x95 => drop(self.bytes(8)?),

            b'N' | 0x88 | 0x89 => self.push(Object::Other),
            b'I' | b'L' => {
                let line = self.line()?;
                let number = line.strip_suffix('L').unwrap_or(&line).parse().map_or(Object::Other, Object::Int);
                self.push(number);
            }
            b'F' => drop(self.line().map(|_| self.push(Object::Other))?),
            b'J' => {
                let bytes = self.array::<4>()?;
                self.push(Object::Int(i32::from_le_bytes(bytes).into()));
            }
            b'K' => {
                let byte = self.byte()?;
                self.push(Object::Int(byte.into()));
            }
            b'M' => {
                let bytes = self.array::<2>()?;
                self.push(Object::Int(u16::from_le_bytes(bytes).into()));
            }
            b'G' => drop(self.array::<8>().map(|_| self.push(Object::Other))?),
            0x8a | 0x8b => {
                let length = self.length(if instruction == 0x8a { 1 } else { 4 })?;
                let bytes = self.bytes(length)?;
                self.push(integer(&bytes).map_or(Object::Other, Object::Int));
            }

            b'V' | b'S' => {
                let line = self.line()?;
                let quotes: &[char] = if instruction == b'S' { &['\'', '"'] } else { &[] };
                self.push(Object::Text(line.trim_matches(quotes).to_owned()));
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
                    0x94 => self.memo.len() as u32,
                    _ => self.place(instruction == b'p', instruction == b'q')?,
                };
                let top = self.top()?;
                self.memo.insert(place, top);
            }
            b'g' | b'h' | b'j' => {
                let place = self.place(instruction == b'g', instruction == b'h')?;
                let id = *self.memo.get(&place).ok_or("its pickle refers to what is not there")?;
                self.stack.push(id);
            }

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let name = name_of(&module, &name)?;
                self.push_name(name);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Object::Text(module), Object::Text(name)) = (self.get(module), self.get(name)) else {
                    return Err("its pickle names something by what is no text".to_owned());
                };
                let name = name_of(module, name)?;
                self.push_name(name);
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let class = name_of(&module, &name)?;
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
            return Err(
                "its pickle calls what another call gave; weights need no such thing, so it is not read; save the \
                        weights alone, with torch.save(model.state_dict(), FILE)"
                    .into(),
            );
        };
        let name = name.clone();
        if !name.is_in_one_form() {
            return self.call(name, arguments);
        }
        let second = self.in_one_form(&name, arguments).ok_or_else(|| name.refusal())?;
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

    /// What a call gives, as far as checkpoints need it.
    fn call(&mut self, class: Name, arguments: Id) -> Result<(), String> {
        class.may_be_called()?;
        let given = match self.get(arguments) {
            Object::Sequence(given) => given.clone(),
            _ => return Err(format!("its pickle is damaged: {class} is called with no list of arguments")),
        };
        let first = given.first().map(|&first| self.get(first));
        match (class.as_str(), first) {
            ("collections.OrderedDict", first) => {
                let of_pair = |&pair: &Id| match self.get(pair) {
                    Object::Sequence(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
                    _ => Err("its pickle is damaged: an OrderedDict of what are no pairs".to_owned()),
                };
                let entries = match first {
                    Some(Object::Sequence(pairs)) => pairs.iter().map(of_pair).collect::<Result<_, _>>()?,
                    _ => Vec::new(),
                };
                self.push(Object::Dictionary(entries));
            }
            ("builtins.set" | "builtins.frozenset" | "__builtin__.set" | "__builtin__.frozenset", first) => {
                let members = match first {
                    Some(Object::Sequence(members)) => members.clone(),
                    _ => Vec::new(),
                };
                self.push(Object::Sequence(members));
            }
            // A parameter is its tensor, and so is an object of a subclass of tensors.
            ("torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", Some(_)) => {
                self.stack.push(given[0]);
            }
            ("torch._tensor._rebuild_from_type_v2", Some(_)) if given.len() >= 3 => {
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
            0 => format!("its pickle has more than {} MB; save the weights alone", MAX_BYTES >> 20),
            _ => "its pickle ends in the middle: the file was cut".to_owned(),
        }
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        self.input.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if line.pop() != Some(b'\n') {
            return Err(self.end());
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// A length of so many bytes.
    fn length(&mut self, bytes: u64) -> Result<u64, String> {
        let bytes = self.bytes(bytes)?;
        Ok(bytes.iter().rev().fold(0, |length, &byte| length << 8 | u64::from(byte)))
    }

    fn text(&mut self, length: u64) -> Result<(), String> {
        let length = self.length(length)?;
        let bytes = self.bytes(length)?;
        self.push(Object::Text(String::from_utf8_lossy(&bytes).into_owned()));
        Ok(())
    }

    fn binary(&mut self, length: u64) -> Result<(), String> {
        let length = self.length(length)?;
        self.bytes(length)?;
        self.push(Object::Other);
        Ok(())
    }

    fn place(&mut self, is_line: bool, is_byte: bool) -> Result<u32, String> {
        match (is_line, is_byte) {
            (true, _) => {
                self.line()?.parse().map_err(|_| "its pickle is damaged: a place that is no number".to_owned())
            }
            (_, true) => Ok(self.byte()?.into()),
            _ => Ok(u32::from_le_bytes(self.array()?)),
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

/// A little-endian number in two's complement, if it fits.
fn integer(bytes: &[u8]) -> Option<i64> {
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
        assert!(refused(&vec![b']'; MAX_INSTRUCTIONS + 1]).contains("instructions"));
        // No instruction, but more bytes than are read.
        let mut long = b"X\xff\xff\xff\x7f".to_vec();
        long.resize(MAX_BYTES as usize + 9, b'a');
        assert!(refused(&long).contains("MB"));
    }
}
